from analysis.statistics.forward_passes.composition import Forward
from analysis.statistics.forward_passes.times import forward_times, prefill_times
from crossover.records.forwards import Forwards, TimedForwards
from crossover.records.policies import Blocks, Cache, CacheName
from crossover.records.record import Record
from crossover.records.run import Run
from crossover.records.settings import Remasking
from tests.factories import (
    a_diffusion,
    a_failed_record,
    a_measurement,
    a_record,
    a_run,
    a_sample,
    an_autoregressive_run,
)


def record_of(run: Run, **sample: object) -> Record:
    return a_record(run, measurement=a_measurement(samples=(a_sample(**sample),)))


def test_each_step_of_the_published_schedule_reads_what_is_still_masked() -> None:
    run = a_run(diffusion=a_diffusion(steps=6, block_length=4))  # 4 positions over 3 steps: 2, 1, 1
    seconds = (6.0, 5.0, 4.0, 3.0, 2.0, 1.0)
    assert list(forward_times(record_of(run, step_s=seconds))) == [
        (Forward(16, 16, read), each) for read, each in zip((4, 2, 1, 4, 2, 1), seconds, strict=True)
    ]


def test_in_random_order_it_reads_what_it_writes() -> None:
    run = a_run(diffusion=a_diffusion(steps=2, remasking=Remasking.random))
    assert [forward.read for forward, _ in forward_times(record_of(run, step_s=(1.0, 1.0)))] == [4, 4]


def test_counted_passes_read_what_their_block_has_left() -> None:
    run = a_run(diffusion=a_diffusion(steps=4, block_length=4, cache=Cache(name=CacheName.dual)))
    counted = Forwards(computed=(16, 4, 16, 4), written=(6, 2, 4, 4), of_rows=(4, 4))
    timed = list(forward_times(record_of(run, step_s=(9.0, 1.0, 9.0, 1.0), forwards=counted)))
    assert [forward for forward, _ in timed] == [
        *(Forward(16, 16, 4), Forward(4, 16, 1)),
        *(Forward(16, 16, 4), Forward(4, 16, 2)),
    ]


def test_a_block_causal_pass_attends_to_the_end_of_its_block_and_one_that_keeps_reads_nothing() -> None:
    settings = a_diffusion(steps=4, block_length=4, blocks=Blocks.sequence, cache=Cache(name=CacheName.exact))
    counted = Forwards(computed=(8, 4, 4, 4, 4, 4, 4), written=(0, 6, 2, 0, 4, 4, 0), of_rows=(7, 7))
    timed = list(forward_times(record_of(a_run(diffusion=settings), step_s=(1.0,) * 7, forwards=counted)))
    assert [forward for forward, _ in timed] == [
        *(Forward(8, 8, 0), Forward(4, 12, 4), Forward(4, 12, 1), Forward(4, 12, 0)),
        *(Forward(4, 16, 4), Forward(4, 16, 2), Forward(4, 16, 0)),
    ]


def test_the_pass_that_keeps_a_prompts_whole_blocks_attends_to_no_more_than_them() -> None:
    settings = a_diffusion(steps=2, block_length=4, blocks=Blocks.sequence, cache=Cache(name=CacheName.exact))
    run = a_run(diffusion=settings, length=14, prompt_fraction=6 / 14)  # the first block begins with two of the prompt
    counted = Forwards(computed=(4, 4, 4, 4, 4, 4, 4, 4), written=(0, 1, 3, 0, 1, 7, 0, 4), of_rows=(8, 8))
    timed = list(forward_times(record_of(run, step_s=(1.0,) * 8, forwards=counted)))
    assert [forward for forward, _ in timed] == [
        *(Forward(4, 4, 0), Forward(4, 8, 2), Forward(4, 8, 2), Forward(4, 8, 0)),
        *(Forward(4, 12, 4), Forward(4, 12, 4), Forward(4, 12, 0), Forward(4, 16, 4)),
    ]


def test_steps_that_write_nothing_make_no_pass() -> None:
    run = a_run(diffusion=a_diffusion(steps=12, block_length=4))  # 4 positions over 6 steps: two of them write none
    reads = [forward.read for forward, _ in forward_times(record_of(run, step_s=(1.0,) * 8))]
    assert reads == [4, 3, 2, 1] * 2


def test_a_token_attends_to_all_before_it_and_to_itself() -> None:
    record = record_of(an_autoregressive_run(), prefill_s=0.5, step_s=(1.0, 2.0))
    assert list(forward_times(record)) == [(Forward(1, 9, 1), 1.0), (Forward(1, 10, 1), 2.0)]
    assert prefill_times(record) == [0.5]
    assert prefill_times(record_of(a_run(), prefill_s=None)) == []


def test_a_sampled_run_says_which_passes_it_timed() -> None:
    timed = TimedForwards(planned=7, index=(0, 6), computed=(1, 1), kept=(9, 15), read=(1, 1))
    record = record_of(an_autoregressive_run(), step_s=(1.0, 2.0), timed=timed)
    assert [forward.kept for forward, _ in forward_times(record)] == [9, 15]


def test_an_older_record_of_a_block_causal_run_without_a_cache_does_not_tell_what_its_passes_computed() -> None:
    run = a_run(diffusion=a_diffusion(steps=2, block_length=4, blocks=Blocks.sequence))
    assert not list(forward_times(record_of(run, step_s=(1.0, 1.0))))
    counted = Forwards(computed=(12, 16), written=(8, 8), of_rows=(2, 2))
    told = forward_times(record_of(run, step_s=(1.0, 1.0), forwards=counted))
    assert [forward for forward, _ in told] == [Forward(12, 12, 4), Forward(16, 16, 4)]


def test_steps_of_two_passes_and_failed_runs_have_none() -> None:
    assert not list(forward_times(record_of(a_run(diffusion=a_diffusion(guidance_scale=1.0)))))
    assert not list(forward_times(a_failed_record()))


def test_a_pass_that_keeps_what_is_before_a_block_may_write_its_first_token() -> None:
    exact = {"blocks": Blocks.sequence, "cache": Cache(name=CacheName.exact)}
    causal = a_run(diffusion=a_diffusion(steps=4, block_length=4, causal_context=True, **exact))
    counted = Forwards(computed=(8, 4, 4, 4, 4, 4, 4), written=(2, 4, 2, 2, 4, 2, 0), of_rows=(7, 7))
    timed = list(forward_times(record_of(causal, step_s=(1.0,) * 7, forwards=counted)))
    assert [forward for forward, _ in timed] == [
        *(Forward(8, 8, 1), Forward(4, 12, 3), Forward(4, 12, 1), Forward(4, 12, 1)),
        *(Forward(4, 16, 3), Forward(4, 16, 1), Forward(4, 16, 1)),
    ]
    parts = a_run(diffusion=a_diffusion(steps=4, block_length=4, sub_block_length=2, **exact))
    counted = Forwards(computed=(8, 4, 4, 4, 4, 4, 4), written=(2, 2, 4, 2, 2, 4, 0), of_rows=(7, 7))
    timed = list(forward_times(record_of(parts, step_s=(1.0,) * 7, forwards=counted)))
    assert [forward.read for forward, _ in timed] == [1, 1, 2, 1, 1, 2, 1]
    begun = a_run(diffusion=parts.diffusion, length=14, prompt_fraction=6 / 14)  # the prompt begins the first block
    counted = Forwards(computed=(4, 4, 4, 4), written=(0, 2, 2, 2), of_rows=(4, 4))
    timed = list(forward_times(record_of(begun, step_s=(1.0,) * 4, forwards=counted)))
    assert [forward for forward, _ in timed] == [
        *(Forward(4, 4, 1), Forward(4, 8, 2), Forward(4, 8, 1), Forward(4, 8, 1)),
    ]


def test_steps_that_do_not_make_a_schedule_say_nothing() -> None:
    run = a_run(diffusion=a_diffusion(steps=1, block_length=4))
    assert list(forward_times(record_of(run, step_s=(1.0,)))) == []
