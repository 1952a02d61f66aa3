from dataclasses import replace
from typing import Any

import pytest

from analysis.parity.comparability import group
from analysis.parity.controls import CONTROLS
from analysis.parity.ladder import settings_of
from crossover.errors import UserError
from crossover.records.forwards import Forwards
from crossover.records.machine import Card
from crossover.records.policies import Policy, PolicyName
from crossover.records.record import FailureKind, Record
from crossover.records.run import Run
from crossover.records.settings import Device, Precision, Remasking, Weights
from tests.factories import (
    a_diffusion,
    a_failed_record,
    a_measurement,
    a_record,
    a_run,
    a_sample,
    an_autoregressive_run,
    an_environment,
)


def diffusion(steps: int = 4, **changes: Any) -> Run:
    return a_run(diffusion=a_diffusion(steps=steps), **changes)


def measured(run: Run, at: str = "2026-03-01T12:00:00+00:00", **environment: Any) -> Record:
    return a_record(run, started_at=at, environment=replace(an_environment(), **environment))


def test_a_ladder_of_steps_meets_its_baseline() -> None:
    baseline = a_record(an_autoregressive_run())
    ladder = [a_record(diffusion(steps)) for steps in (8, 2, 4)]
    grouping = group([*ladder, baseline])
    (pairing,) = grouping.pairings
    assert (pairing.batch, pairing.length) == (2, 16)
    assert (pairing.diffusion, pairing.baseline_model) == ("small", "causal")
    assert list(pairing.by_steps) == [2, 4, 8]
    assert pairing.by_steps[8] is ladder[0]
    assert pairing.baseline is baseline
    assert dict(pairing.controls)["precision"] is Precision.float32
    assert grouping.left_out == ()


def at_threshold(threshold: float, passes: int, latency_s: float) -> Record:
    """A run of three samples whose forward passes follow the text."""
    policy = Policy(name=PolicyName.threshold, threshold=threshold)
    samples = tuple(
        a_sample(latency_s=latency_s, forwards=Forwards(computed=(8,) * more, written=(1,) * more, of_rows=(more,)))
        for more in (passes - 1, passes, passes + 1)
    )
    return a_record(a_run(diffusion=a_diffusion(policy=policy)), measurement=a_measurement(samples=samples))


def test_the_settings_of_a_knob_are_one_ladder_whose_rungs_are_forward_passes() -> None:
    ladder = [at_threshold(0.9, 7, 2.0), at_threshold(0.5, 3, 1.0), at_threshold(0.6, 3, 1.5)]
    (pairing,) = group([*ladder, a_record(an_autoregressive_run())]).pairings
    assert pairing.diffusion == "small threshold"
    assert list(pairing.by_steps) == [3, 4, 7]  # of two that took equally many, the slower one comes next
    assert [record.run.diffusion and record.run.diffusion.policy.threshold for record in pairing.by_steps.values()] == [
        0.5,
        0.6,
        0.9,
    ]
    assert settings_of(pairing.by_steps) == {3: "threshold=0.5", 4: "threshold=0.6", 7: "threshold=0.9"}


def test_of_three_settings_that_took_equally_many_passes_none_is_lost() -> None:
    ladder = [at_threshold(threshold, 3, latency_s) for threshold, latency_s in ((0.5, 1.0), (0.6, 1.5), (0.7, 2.0))]
    (pairing,) = group([*ladder, a_record(an_autoregressive_run())]).pairings
    assert settings_of(pairing.by_steps) == {3: "threshold=0.5", 4: "threshold=0.6", 5: "threshold=0.7"}


def test_a_single_setting_keeps_its_name() -> None:
    (pairing,) = group([at_threshold(0.9, 7, 2.0), a_record(an_autoregressive_run())]).pairings
    assert (pairing.diffusion, list(pairing.by_steps)) == ("small threshold=0.9", [7])


def test_each_batch_and_length_is_a_pairing_of_its_own() -> None:
    shapes = [(1, 16), (1, 32), (4, 16)]
    records = [a_record(make(batch=b, length=n)) for b, n in shapes for make in (diffusion, an_autoregressive_run)]
    assert [(pairing.batch, pairing.length) for pairing in group(records).pairings] == shapes


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"diffusion": a_diffusion(block_length=4)}, "small block=4"),
        ({"diffusion": a_diffusion(remasking=Remasking.random)}, "small random"),
        ({"diffusion": a_diffusion(guidance_scale=1.5)}, "small guidance=1.5"),
    ],
)
def test_other_sampling_settings_are_another_ladder(changes: dict[str, Any], name: str) -> None:
    grouping = group([a_record(a_run()), a_record(a_run(**changes)), a_record(an_autoregressive_run())])
    assert [pairing.diffusion for pairing in grouping.pairings] == ["small", name]


@pytest.mark.parametrize(
    ("name", "value", "there"),
    [
        ("gpu", "A100", None),
        ("cpu", "another CPU", "a CPU"),
        ("cpu_threads", 64, 2),
        ("engine", "compiled", "eager"),
        ("attention", "flash", "sdpa"),
        ("torch", "2.8.0", "2.9.0"),
        ("driver", "575", None),
    ],
)
def test_another_environment_keeps_runs_apart_unless_allowed(name: str, value: object, there: object) -> None:
    changes: dict[str, Any] = {name: value}
    other = replace(an_environment(), **changes)
    records = [a_record(diffusion(), environment=other), measured(an_autoregressive_run())]
    grouping = group(records)
    assert grouping.pairings == ()
    assert grouping.left_out == (
        f"small K=4 B=2 N=16: {name} is {value}, there {there} in the closest autoregressive run",
        f"causal B=2 N=16: {name} is {there}, there {value} in the closest diffusion run",
    )
    (pairing,) = group(records, allow={name}).pairings
    assert name not in dict(pairing.controls)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("seed", {"seed": 1}),
        ("temperature", {"temperature": 0.1}),
        ("judge", {"judge": None}),
        ("precision", {"precision": Precision.bfloat16}),
    ],
)
def test_another_setting_keeps_runs_apart_unless_allowed(name: str, changes: dict[str, Any]) -> None:
    records = [a_record(diffusion(**changes)), a_record(an_autoregressive_run())]
    assert group(records).pairings == ()
    assert f": {name} is " in group(records).left_out[0]
    assert len(group(records, allow={name}).pairings) == 1


def test_another_split_of_the_length_is_not_compared() -> None:
    grouping = group([a_record(diffusion(prompt_fraction=0.25)), a_record(an_autoregressive_run())])
    assert "output_tokens is 12, there 8; prompt_tokens is 4, there 8" in grouping.left_out[0]


def test_the_cpu_is_no_control_of_a_run_on_a_gpu() -> None:
    on_gpu = [diffusion(device=Device.cuda), an_autoregressive_run(device=Device.cuda)]
    records = [measured(run, cpu=cpu) for run, cpu in zip(on_gpu, ("one", "two"), strict=True)]
    assert len(group(records).pairings) == 1


def test_the_closest_candidate_names_the_difference() -> None:
    far = measured(an_autoregressive_run(seed=9), torch="1.0", engine="compiled")
    near = measured(an_autoregressive_run(), torch="2.8.0")
    assert group([measured(diffusion()), far, near]).left_out[0] == (
        "small K=4 B=2 N=16: torch is 2.9.0, there 2.8.0 in the closest autoregressive run"
    )


def test_pairings_stand_in_the_order_in_which_their_runs_began() -> None:
    seeds = (5, 3, 8, 1, 9, 4)
    records = [measured(make(seed=seed)) for seed in seeds for make in (diffusion, an_autoregressive_run)]
    assert [pairing.baseline.run.seed for pairing in group(records).pairings] == list(seeds)


def test_a_run_without_any_partner_says_so() -> None:
    assert group([a_record(diffusion())]).left_out == (
        "small K=4 B=2 N=16: no autoregressive run at this batch and length",
    )


def test_a_run_without_a_partner_is_named_wherever_it_stands_among_those_that_have_one() -> None:
    paired = [measured(diffusion()), measured(an_autoregressive_run())]
    grouping = group([*paired, measured(diffusion(seed=9))])
    assert len(grouping.pairings) == 1
    (line,) = grouping.left_out
    assert line.startswith("small K=4 B=2 N=16: seed is 9, there ")


def test_failures_are_left_out_with_their_reason() -> None:
    lost = a_failed_record(diffusion(64), kind=FailureKind.infeasible, message="64 steps for 8 tokens")
    grouping = group([a_record(diffusion()), lost, a_record(an_autoregressive_run())])
    assert list(grouping.pairings[0].by_steps) == [4]
    assert grouping.left_out == ("small K=64 B=2 N=16: infeasible: 64 steps for 8 tokens",)


def test_the_newest_measurement_of_a_point_counts() -> None:
    old, new = (measured(diffusion(), at=f"2026-03-0{day}T12:00:00+00:00") for day in (1, 2))
    failed = a_failed_record(diffusion(), started_at="2026-03-03T12:00:00+00:00")
    (pairing,) = group([new, failed, old, a_record(an_autoregressive_run())]).pairings
    assert pairing.by_steps[4] is new


def test_a_run_on_other_hardware_does_not_replace_one() -> None:
    here, there = measured(diffusion()), measured(diffusion(), at="2026-03-02T12:00:00+00:00", cpu="another")
    (pairing,) = group([here, there, measured(an_autoregressive_run())]).pairings
    assert pairing.by_steps[4] is here


def test_an_unknown_control_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"allow=colour names no control: use device, gpu, cpu"):
        group([], allow={"colour", "gpu"})
    assert group([], allow=set(CONTROLS)).pairings == ()


@pytest.mark.parametrize("allow", [frozenset(), frozenset({"weights"})])
def test_random_weights_enter_no_comparison_of_quality_whatever_is_allowed(allow: frozenset[str]) -> None:
    random = [measured(make(weights=Weights.random, judge=None)) for make in (diffusion, an_autoregressive_run)]
    real = [measured(diffusion()), measured(an_autoregressive_run())]
    grouping = group([*random, *real], allow)
    (pairing,) = grouping.pairings
    assert [pairing.baseline, *pairing.by_steps.values()] == [real[1], real[0]]
    assert [line.partition(": ")[2] for line in grouping.left_out] == ["random weights have no quality to compare"] * 2
    assert all("random weights" in line.partition(": ")[0] for line in grouping.left_out)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cudnn", "91000"),
        ("flash_attn", "2.8.3"),
        ("system", "Another OS"),
        ("commit", "0123456789ab-dirty"),
        ("variables", ("OMP_NUM_THREADS=1",)),
        ("card", Card(power_limit_w=300.0)),
    ],
)
def test_another_fingerprint_keeps_runs_apart_unless_allowed(name: str, value: Any) -> None:
    control = "power_limit" if name == "card" else name
    records = [measured(diffusion(), **{name: value}), measured(an_autoregressive_run())]
    assert group(records).pairings == ()
    assert len(group(records, allow={control}).pairings) == 1


def test_other_documents_are_not_compared_and_a_failure_is_still_replaced_by_a_measurement() -> None:
    asked = a_record(diffusion(), measurement=a_measurement(prompts_digest="one"))
    baseline = a_record(an_autoregressive_run(), measurement=a_measurement(prompts_digest="two"))
    lost = a_failed_record(diffusion(), started_at="2026-03-03T12:00:00+00:00")
    grouping = group([asked, baseline, lost])
    assert grouping.pairings == ()
    assert len(grouping.left_out) == 2
    assert "documents is one, there two" in grouping.left_out[0]
    assert len(group([asked, baseline], allow={"documents"}).pairings) == 1


def test_processes_of_one_run_are_its_replicates_each_by_its_newest_record() -> None:
    def process(index: int | None, day: int) -> Record:
        return replace(measured(diffusion(), at=f"2026-03-0{day}T12:00:00+00:00"), replicate=index)

    older, first, second, third = process(None, 1), process(0, 2), process(1, 1), process(2, 3)
    (pairing,) = group([third, older, second, first, a_record(an_autoregressive_run())]).pairings
    assert pairing.by_steps[4] is first
    assert pairing.processes(first) == (first, second, third)
    assert pairing.processes(pairing.baseline) == (pairing.baseline,)


def test_the_replicate_of_the_lowest_index_leads_though_it_began_later() -> None:
    late, early = (
        replace(measured(diffusion(), at=f"2026-03-0{day}T12:00:00+00:00"), replicate=index)
        for index, day in ((0, 2), (1, 1))
    )
    (pairing,) = group([early, late, a_record(an_autoregressive_run())]).pairings
    assert pairing.by_steps[4] is late
    assert pairing.replicates[late.key] == (early,)


def test_a_replicate_that_failed_or_that_ran_elsewhere_is_none() -> None:
    first = replace(measured(diffusion()), replicate=0)
    failed = replace(a_failed_record(diffusion()), replicate=1)
    elsewhere = replace(measured(diffusion(), cpu="another"), replicate=2)
    grouping = group([failed, elsewhere, first, measured(an_autoregressive_run())])
    (pairing,) = grouping.pairings
    assert pairing.processes(first) == (first,)


def test_texts_cut_at_their_end_never_meet_whole_ones_and_a_failure_is_still_replaced() -> None:
    cut = a_record(diffusion(), measurement=a_measurement(judged_until_end=True))
    baseline, failed = (
        measured(an_autoregressive_run()),
        a_failed_record(diffusion(), started_at="2026-02-01T12:00:00+00:00"),
    )
    grouping = group([cut, baseline, failed])
    assert not grouping.pairings
    assert "judged_text is up to its end, there whole in the closest autoregressive run" in grouping.left_out[0]
    assert len(grouping.newest) == 2
    assert len(group([cut, baseline], allow={"judged_text"}).pairings) == 1


def test_two_checkpoints_of_one_name_are_two_ladders_and_two_baselines() -> None:
    def of(run: Run, checkpoint: str) -> Record:
        return a_record(replace(run, model=replace(run.model, checkpoint=checkpoint)))

    records = [of(diffusion(4), "a/one"), of(diffusion(8), "a/two")]
    records += [of(an_autoregressive_run(), "b/one"), of(an_autoregressive_run(), "b/two")]
    grouping = group(records)
    pairs = [(pairing.diffusion, pairing.baseline_model, *pairing.by_steps) for pairing in grouping.pairings]
    assert pairs == [
        ("small (one)", "causal (one)", 4),
        ("small (one)", "causal (two)", 4),
        ("small (two)", "causal (one)", 8),
        ("small (two)", "causal (two)", 8),
    ]
    assert grouping.left_out == ()


def test_prompts_of_another_content_under_the_same_name_are_not_compared() -> None:
    run = diffusion()
    other = replace(run.prompts, content="1" * 16)
    baseline = a_record(an_autoregressive_run(prompts=replace(other, content="2" * 16)))
    grouping = group([a_record(replace(run, prompts=other)), baseline])
    assert grouping.pairings == ()
    assert "prompts is ./prompts.jsonl 111111, there ./prompts.jsonl 222222" in grouping.left_out[0]
