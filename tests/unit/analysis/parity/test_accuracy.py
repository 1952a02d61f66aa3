from collections.abc import Sequence
from dataclasses import replace

from analysis.parity.choice import Reading
from analysis.parity.comparability import group
from analysis.parity.parity import Parity
from analysis.parity.quality import METRICS
from analysis.parity.steps_to_parity import find_parity
from crossover.records.record import Record
from crossover.records.run import Run
from tests.benchmarks.accuracy_coverage import SCENARIOS, measure_accuracy_coverage
from tests.factories import a_diffusion, a_measurement, a_record, a_run, a_score, an_autoregressive_run


def of(run: Run, right: Sequence[int], clusters: Sequence[str | None] | None = None) -> Record:
    named = clusters or [None] * len(right)
    scores = tuple(
        a_score(prompt_id=f"q{index}", correct=float(each), cluster=cluster)
        for index, (each, cluster) in enumerate(zip(right, named, strict=True))
    )
    return a_record(run, measurement=replace(a_measurement(), scores=scores))


def parity_of(
    baseline: Sequence[int], *ladder: Sequence[int], margin: float = 0.0, clusters: Sequence[str] | None = None
) -> Parity:
    runs = [a_run(diffusion=a_diffusion(steps=2**k)) for k in range(len(ladder))]
    records = [of(run, right, clusters) for run, right in zip(runs, ladder, strict=True)]
    (pairing,) = group([of(an_autoregressive_run(), baseline, clusters), *records]).pairings
    return find_parity(pairing, METRICS["accuracy"], margin=margin)


def test_few_answers_without_a_difference_are_no_parity() -> None:
    found = parity_of([1] * 10, [1] * 10, margin=0.1)
    assert found.reading is Reading.undecided
    assert found.baseline.low < 0.8
    assert found.baseline.high == 1.0, "a share ends at 1"


def test_many_answers_without_a_difference_are_parity_within_a_margin() -> None:
    assert parity_of([1, 0] * 50, [1, 0] * 50, margin=0.1).reading is Reading.smallest


def test_the_same_answers_matter_and_not_the_same_share() -> None:
    alike = parity_of([1, 0] * 50, [1, 0] * 50).advantage[0]
    crossed = parity_of([1, 0] * 50, [0, 1] * 50).advantage[0]
    assert alike.estimate == crossed.estimate == 0.0
    assert crossed.high > 3 * alike.high


def test_each_k_has_its_own_test_of_the_answers_that_differ() -> None:
    found = parity_of([1] * 20, [0] * 10 + [1] * 10, [1] * 20)
    assert [(each.baseline_alone, each.other_alone) for each in found.mcnemar] == [(10, 0), (0, 0)]
    assert any("McNemar's exact test: K=1 10 and 0, p = 0.002; K=2 0 and 0, p = 1" in flag for flag in found.flags)
    assert found.first_steps == 2


def test_answers_of_one_source_count_once_and_have_no_test_of_their_own() -> None:
    clusters = [f"c{index // 4}" for index in range(40)]
    baseline = [1] * 40
    ladder = [0] * 8 + [1] * 32
    alone, together = parity_of(baseline, ladder), parity_of(baseline, ladder, clusters=clusters)
    assert together.clusters == 10
    assert together.advantage[0].low < alone.advantage[0].low
    assert together.mcnemar == ()


def test_intervals_hold_where_nearly_all_is_right() -> None:
    """Without a least standard error those of accuracy hold in 75% here, those of the advantage in 86%."""
    tally = measure_accuracy_coverage(SCENARIOS["32 prompts, nearly all right"], sweeps=40, seed=1)
    assert tally.share("accuracy") >= 0.97
    assert tally.share("advantage") >= 0.97
