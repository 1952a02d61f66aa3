from dataclasses import replace

import torch

from benchmark.decoders.interface import Edit, Generation
from benchmark.decoders.schedule import Forward
from benchmark.execution.outputs import batch_rows, forwards_of, seconds_per_pass, typical
from benchmark.measurement.measure import Timed, Timing
from crossover.records.forwards import Forwards
from crossover.records.policies import Blocks, Cache, CacheName, Policy, PolicyName, Rows
from tests.factories import a_diffusion

THRESHOLD = Policy(name=PolicyName.threshold, threshold=0.9)
WRITTEN_AT = torch.tensor([[1, 1, 3, 3], [1, 2, 3, 4]])


def a_generation(passes: int = 1) -> Generation:
    forwards = [Forward(rows=2, computed=computed, read=2) for computed in (6, 2, 6, 2) for _ in range(passes)]
    return Generation(tokens_BN=torch.zeros(2, 4), forward_passes=4, forwards=tuple(forwards), written_at_BN=WRITTEN_AT)


def test_each_step_is_told_with_what_it_computed_and_wrote() -> None:
    settings = a_diffusion(block_length=2, policy=THRESHOLD, cache=Cache(name=CacheName.dual))
    expected = Forwards(computed=(6, 2, 6, 2), written=(3, 1, 3, 1), of_rows=(2, 4))
    assert forwards_of(settings, a_generation()) == expected
    assert expected.waiting_share == 0.25  # the first row waits in one step of two, in either block


def test_both_passes_of_a_guided_step_count() -> None:
    settings = a_diffusion(block_length=2, policy=THRESHOLD, guidance_scale=1.0)
    forwards = forwards_of(settings, a_generation(passes=2))
    assert forwards is not None
    assert (forwards.computed, forwards.written) == ((12, 4, 12, 4), (3, 1, 3, 1))


def test_the_published_schedule_says_it_all() -> None:
    assert forwards_of(a_diffusion(), a_generation()) is None
    assert forwards_of(None, a_generation()) is None
    in_blocks = forwards_of(a_diffusion(block_length=2, blocks=Blocks.sequence), a_generation())
    assert in_blocks is not None, "a block-causal model computes no more than up to the end of each block"
    assert in_blocks.computed == (6, 2, 6, 2)


def test_samples_take_the_next_prompts_and_begin_again_after_the_last() -> None:
    assert [batch_rows(5, 3, sample) for sample in range(3)] == [(0, 1, 2), (3, 4, 0), (1, 2, 3)]
    assert batch_rows(2, 5, 0) == (0, 1, 0, 1, 0)


def test_a_row_that_does_not_wait_needs_the_steps_up_to_its_last_token() -> None:
    settings = a_diffusion(block_length=2, policy=THRESHOLD, rows=Rows.independent)
    forwards = forwards_of(settings, a_generation())
    assert forwards is not None
    assert forwards.of_rows == (3, 4)


def a_timed(latency_s: float, passes: int) -> Timed:
    timing = Timing(latency_s=latency_s, host_latency_s=latency_s, prefill_s=None, step_s=())
    return Timed(generation=replace(a_generation(), forward_passes=passes), timing=timing)


def test_a_longer_text_is_no_slower_machine() -> None:
    samples = [a_timed(8.0, 4), a_timed(2.0, 1), a_timed(4.0, 2)]
    assert seconds_per_pass(samples) == [2.0, 2.0, 2.0]
    assert typical(samples).timing.latency_s == 4.0
    assert typical(samples[:2]).timing.latency_s == 2.0


def test_blocks_of_a_sequence_begin_in_the_prompt_and_edits_are_counted() -> None:
    policy = Policy(name=PolicyName.editing, threshold=0.7, editing_threshold=0.5, max_post_steps=2, transfers=1)
    settings = a_diffusion(block_length=4, policy=policy, blocks=Blocks.sequence)
    forwards = tuple(Forward(rows=2, computed=4, read=4) for _ in range(7))
    found = Generation(
        tokens_BN=torch.zeros(2, 4),
        forward_passes=7,
        prompts_BP=torch.zeros(2, 6),  # two tokens of the first block
        forwards=forwards,
        written_at_BN=torch.tensor([[1, 2, 4, 5], [1, 1, 4, 4]]),
        edits=(Edit(step=3, row=1, position=0, token=9), Edit(step=5, row=1, position=2, token=8)),
    )
    told = forwards_of(settings, found)
    assert told is not None
    assert told.written == (3, 1, 0, 3, 1, 0, 0)
    assert told.edited == (0, 0, 1, 0, 1, 0, 0)
    assert told.of_rows == (6, 7)  # the first row waits once: its first block is done at 2, the other's at 3
