"""A simulated ladder of steps beside its baseline."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from analysis.parity.comparability import Pairing, group
from crossover.records.record import Record
from tests.simulation import Truth, simulate


def sweep(
    rates: Sequence[float], baseline: float = 3.0, seed: int = 0, prompts: int = 32, samples: int = 10
) -> Pairing:
    """Quality at K = 16, 32, ... as given; the baseline takes as long as K=64."""
    truth = Truth(
        rate={16 * 2**i: rate for i, rate in enumerate(rates)},
        baseline_rate=baseline,
        prompts=prompts,
        latency_samples=samples,
    )
    (pairing,) = group(simulate(truth, np.random.default_rng(seed))).pairings
    return pairing


def rescored(record: Record, change: dict[str, Any], first: int = 0) -> Record:
    """With the scores changed from the prompt `first` on."""
    assert record.measurement is not None
    scores = list(record.measurement.scores)
    scores[first:] = [replace(score, **change) for score in scores[first:]]
    return replace(record, measurement=replace(record.measurement, scores=tuple(scores)))
