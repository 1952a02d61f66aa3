"""Records with texts that are missing, doubled, impossible or equal but for rounding: the others count as ever."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from analysis.parity.choice import Reading
from analysis.parity.comparability import Pairing, group
from analysis.parity.evidence import comparable
from analysis.parity.quality import BERTSCORE_F1, BITS_PER_BYTE, PERPLEXITY
from analysis.parity.steps_to_parity import find_parity
from crossover.records.record import Record
from crossover.records.texts import Score
from tests.simulation import Truth, simulate

Change = Callable[[Score], Score]


def pairing() -> Pairing:
    """K=32 of 16, 32 and 64 is as good as the baseline."""
    truth = Truth(rate={16: 5.0, 32: 2.0, 64: 1.9}, baseline_rate=3.0, prompts=10)
    return group(simulate(truth, np.random.default_rng(0))).pairings[0]


def changed(record: Record, change: Change, texts: int = 10) -> Record:
    assert record.measurement is not None
    scores = record.measurement.scores
    scores = (*(change(score) for score in scores[:texts]), *scores[texts:])
    return replace(record, measurement=replace(record.measurement, scores=scores))


def with_k(k: int, change: Change, texts: int = 10) -> Pairing:
    every = pairing()
    return replace(every, by_steps={**every.by_steps, k: changed(every.by_steps[k], change, texts)})


def empty(score: Score) -> Score:
    return replace(score, nll_nats=None, judge_tokens=0, text_bytes=0, characters=0, entropy_nats=None)


def unscored(score: Score) -> Score:
    return replace(score, nll_nats=None)


def impossible(score: Score) -> Score:
    return replace(score, nll_nats=-100.0)


@pytest.mark.parametrize(
    ("change", "texts", "reason"),
    [
        (unscored, 10, "known for 0 prompts of it and of the baseline, parity needs 5: score it again"),
        (unscored, 6, "known for 4 prompts of it and of the baseline, parity needs 5: score it again"),
        (empty, 4, "4 of 10 texts are empty, so that the others say too little"),
        (impossible, 3, "3 of 10 texts have what no text can, such as "),
    ],
)
def test_a_k_that_says_too_little_is_left_out_and_the_others_are_compared(
    change: Change, texts: int, reason: str
) -> None:
    kept, (line,) = comparable(with_k(32, change, texts), PERPLEXITY)
    assert line.startswith(f"{pairing().by_steps[32].name}: Generative perplexity: {reason}")
    assert find_parity(kept, PERPLEXITY).first_steps_interval == (64, 64)


@pytest.mark.parametrize(("change", "texts"), [(unscored, 3), (empty, 2), (impossible, 2)])
def test_a_few_such_texts_leave_the_others(change: Change, texts: int) -> None:
    kept, lines = comparable(with_k(32, change, texts), PERPLEXITY)
    assert (tuple(kept.by_steps), lines) == ((16, 32, 64), ())


def test_an_impossible_baseline_is_named_and_nothing_is_compared_with_it() -> None:
    every = pairing()
    kept, (line,) = comparable(replace(every, baseline=changed(every.baseline, impossible)), PERPLEXITY)
    assert (kept.by_steps, line.startswith(every.baseline.name)) == ({}, True)


@pytest.mark.parametrize(("f1", "kept"), [(1.0004, 3), (-0.2, 3), (3.0, 2)])
def test_a_cosine_may_round_beyond_1_and_be_no_more(f1: float, kept: int) -> None:
    every, _ = comparable(with_k(32, lambda score: replace(score, bertscore_f1=f1)), BERTSCORE_F1)
    assert len(every.by_steps) == kept


@pytest.mark.parametrize("off", [1e-15, -1e-15, 1e-12])
def test_quality_that_is_equal_but_for_rounding_is_parity(off: float) -> None:
    every = pairing()
    assert every.baseline.measurement is not None
    scores = tuple(
        replace(score, nll_nats=(score.nll_nats or 0.0) * (1 + off * (-1) ** index if off < 1e-12 else 1 + off))
        for index, score in enumerate(every.baseline.measurement.scores)
    )
    for k, record in every.by_steps.items():
        assert record.measurement is not None
        same = replace(record, measurement=replace(record.measurement, scores=scores))
        parity = find_parity(replace(every, by_steps={k: same}), PERPLEXITY)
        assert (parity.reading, parity.first_steps) == (Reading.smallest, k)


def test_rungs_that_are_equal_but_for_rounding_are_no_step_back() -> None:
    every = pairing()
    rounded = changed(every.by_steps[32], lambda score: replace(score, nll_nats=(score.nll_nats or 0.0) * (1 + 1e-15)))
    assert find_parity(replace(every, by_steps={32: every.by_steps[32], 64: rounded}), PERPLEXITY).monotone


def test_a_prompt_that_is_scored_twice_has_no_score() -> None:
    every = pairing()
    assert every.baseline.measurement is not None
    first, second, *_ = every.baseline.measurement.scores
    doubled = changed(every.baseline, lambda score: replace(score, prompt_id=first.prompt_id), 2)
    assert second.prompt_id != first.prompt_id
    assert doubled.measurement is not None
    assert PERPLEXITY.parts(doubled.measurement)[first.prompt_id] is None
    assert find_parity(replace(every, baseline=doubled), PERPLEXITY).prompts == 8


def test_less_than_no_bytes_are_no_weight() -> None:
    assert BITS_PER_BYTE.part(Score(**{**vars(SCORE), "text_bytes": -4})) is None
    assert BITS_PER_BYTE.part(SCORE) is not None


SCORE = Score(
    prompt_id="a", nll_nats=4.0, judge_tokens=2, entropy_nats=1.0, distinct_2=1.0, repetition_4=0.0, text_bytes=4
)
