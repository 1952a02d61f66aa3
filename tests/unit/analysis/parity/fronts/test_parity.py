from dataclasses import replace

import numpy as np
import pytest

from analysis.parity.choice import Reading
from analysis.parity.fronts.pairings import front_pairings
from analysis.parity.fronts.parity import Fronts, read_fronts
from analysis.parity.quality import BITS_PER_BYTE, PERPLEXITY
from analysis.statistics.metrics import bits_per_byte
from crossover.records.record import Record
from tests.benchmarks.front_coverage import at_like_entropy, measure_front_coverage
from tests.simulated_fronts import HUMAN_NATS, FrontTruth, line, simulate_fronts

AROUND, BELOW = (3.7, 3.85, 4.0, 4.1), (3.1, 3.3, 3.5, 3.6)


def truth(**changes: object) -> FrontTruth:
    """K=16 is a bit per byte worse at the authors' entropy, K=32 as much better; K=8 never reaches it."""
    settings: dict[str, object] = {
        "baseline": (line(1.5), AROUND),
        "ladder": {8: (line(1.0), BELOW), 16: (line(2.5), AROUND), 32: (line(0.5), AROUND)},
    }
    return FrontTruth(**(settings | changes))  # type: ignore[arg-type]


def fronts_of(records: list[Record], margin: float = 0.0) -> Fronts:
    (pairing,) = front_pairings(records)
    return read_fronts(pairing, BITS_PER_BYTE, margin=margin)


@pytest.fixture(scope="module")
def found() -> Fronts:
    return fronts_of(simulate_fronts(truth(), np.random.default_rng(0)))


def test_parity_is_read_where_the_texts_are_as_varied_as_the_authors(found: Fronts) -> None:
    assert found.parity is not None
    assert found.parity.at_entropy == pytest.approx(HUMAN_NATS, abs=0.1)
    assert (found.parity.steps, found.parity.first_steps) == ((16, 32), 32)
    assert (found.parity.reading, found.parity.first_steps_interval) == (Reading.reached, (32, 32))
    assert found.parity.baseline.estimate == pytest.approx(1.5, abs=0.2)
    assert found.parity.speedup is not None
    assert found.parity.speedup.estimate == pytest.approx(1.0, abs=0.05)


def test_an_arm_that_never_writes_as_varied_a_text_is_left_out_and_named(found: Fronts) -> None:
    baseline, never, *_ = found.fronts
    assert (never.steps, never.around, never.at_human) == (8, None, None)
    assert baseline.around == (1.3, 1.8)
    assert found.parity is not None
    assert "left out, since no two temperatures have entropies around the authors': K=8" in found.parity.flags
    assert "two temperatures: baseline 1.3 to 1.8, K=16 1.3 to 1.8, K=32 1.3 to 1.8" in found.parity.flags[1]


def test_a_point_of_a_front_has_the_entropy_and_the_quality_of_its_run() -> None:
    records = simulate_fronts(truth(), np.random.default_rng(0))
    for front in fronts_of(records).fronts:
        own = [each for each in records if (each.run.diffusion and each.run.diffusion.steps) == front.steps]
        for record, point in zip(own, front.points, strict=True):
            assert record.measurement is not None
            scores = record.measurement.scores
            assert point.temperature == record.run.temperature
            assert point.quality.estimate == pytest.approx(bits_per_byte(scores))
            assert point.quality.low < point.quality.estimate < point.quality.high
            assert point.entropy.low < point.entropy.estimate < point.entropy.high


def test_two_temperatures_make_a_front() -> None:
    records = simulate_fronts(truth(), np.random.default_rng(0))
    read = fronts_of([each for each in records if each.run.temperature in {1.3, 1.8}]).fronts
    assert [front.around for front in read] == [(1.3, 1.8), None, (1.3, 1.8), (1.3, 1.8)]


@pytest.mark.parametrize("without", ["baseline", "ladder"])
def test_fronts_that_do_not_reach_the_authors_entropy_have_no_parity(without: str) -> None:
    low = {"baseline": (line(1.5), BELOW)} if without == "baseline" else {"ladder": {8: (line(1.0), BELOW)}}
    assert fronts_of(simulate_fronts(truth(**low), np.random.default_rng(0))).parity is None


def test_a_margin_lets_diffusion_fall_short_by_so_much() -> None:
    records = simulate_fronts(truth(ladder={16: (line(1.7), AROUND)}), np.random.default_rng(0))
    strict, lenient = fronts_of(records).parity, fronts_of(records, margin=0.6).parity
    assert strict is not None
    assert lenient is not None
    assert (strict.first_steps, lenient.first_steps) == (None, 16)
    assert lenient.advantage[0].estimate == pytest.approx(strict.advantage[0].estimate + 0.6)


def test_a_text_that_ends_early_counts_by_its_length() -> None:
    """A text of a few bytes has next to no entropy, and would move the mean of 24 by a tenth of a nat."""
    records = simulate_fronts(truth(early=0.08), np.random.default_rng(1))
    for front in fronts_of(records).fronts[:1]:
        assert front.points[1].entropy.estimate == pytest.approx(3.85, abs=0.08)


def test_one_temperature_is_no_front_and_every_other_control_is_equal() -> None:
    records = simulate_fronts(truth(), np.random.default_rng(0))
    assert front_pairings([each for each in records if each.run.temperature == 1.0]) == []
    other = [replace(each, run=replace(each.run, seed=1)) for each in records if each.run.diffusion is not None]
    assert front_pairings([each for each in records if each.run.diffusion is None] + other) == []


def test_each_arm_is_read_at_the_entropy_that_the_authors_have_in_its_own_tokens() -> None:
    records = simulate_fronts(truth(), np.random.default_rng(0))
    shifted = []
    for each in records:
        assert each.measurement is not None
        if each.run.diffusion is None:
            shifted.append(each)
            continue
        scores, human = (
            tuple(replace(score, entropy_nats=(score.entropy_nats or 0.0) + 0.5) for score in texts)
            for texts in (each.measurement.scores, each.measurement.human)
        )
        shifted.append(replace(each, measurement=replace(each.measurement, scores=scores, human=human)))
    same, moved = fronts_of(records).parity, fronts_of(shifted).parity
    assert same is not None
    assert moved is not None
    assert [each.estimate for each in moved.advantage] == pytest.approx([each.estimate for each in same.advantage])


def test_perplexity_has_fronts_of_its_own() -> None:
    (pairing,) = front_pairings(simulate_fronts(truth(), np.random.default_rng(0)))
    parity = read_fronts(pairing, PERPLEXITY).parity
    assert parity is not None
    assert parity.first_steps == 32
    assert parity.quality[0].low > 1


def test_intervals_between_fronts_contain_the_truth_as_often_as_they_say() -> None:
    """A short version of `python -m tests.benchmarks.front_coverage`: three K a sweep, and they are not independent."""
    tally = measure_front_coverage(at_like_entropy, sweeps=40, seed=0)
    assert tally.share("baseline there") == pytest.approx(0.95, abs=0.08)
    assert tally.share("advantage") == pytest.approx(0.95, abs=0.08)
    assert tally.share("S_parity") >= 0.95
