"""One arm over temperatures: its sums over clusters, and the two temperatures between which it is read.

Dimensions: T temperatures of one arm; C clusters; P prompts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from analysis.parity.entropy_gap import Weighted, weighted
from analysis.parity.evidence import members, require_enough
from analysis.parity.fronts.pairings import FrontPairing, Setting
from analysis.parity.quality import Metric
from analysis.statistics.arrays import Floats
from analysis.statistics.interpolation import Ends, Interpolated, ratio, read_between, variance_of

RESOLVED = 2.0
"""Standard errors by which the entropies at two temperatures must differ before a line is drawn between them."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """An arm's sums over clusters at each temperature, and where it is read.

    Attributes:
        steps: K; None for the baseline.
        entropy_TC: entropies of the texts, each with the weight that it has in the metric: of a text that ends early
            nobody can say how varied it would have been.
        aim_C: the same of the true continuations, in this arm's tokens.
        ends: the places of the two temperatures around the aim; None where no entropies lie around it.
    """

    steps: int | None
    settings: tuple[Setting, ...]
    values_TC: Floats
    weights_TC: Floats
    entropy_TC: Floats
    aim_C: Floats
    aim_weights_C: Floats
    ends: tuple[int, int] | None

    @property
    def name(self) -> str:
        """As flags and tables call the arm."""
        return "baseline" if self.steps is None else f"K={self.steps}"

    @property
    def aim(self) -> float:
        """The entropy at which the arm is read: the mean over the true continuations."""
        return float(self.aim_C.sum() / self.aim_weights_C.sum())

    @property
    def used(self) -> tuple[Setting, ...]:
        """The two temperatures between which the arm is read; none where it is not."""
        return () if self.ends is None else tuple(self.settings[end] for end in self.ends)

    @property
    def around(self) -> tuple[float, float] | None:
        """The same as numbers."""
        return None if self.ends is None else (self.used[0].temperature, self.used[1].temperature)

    def read(self, counts_RC: Floats) -> Interpolated:
        """The quality at the aim, in each resample."""
        assert self.ends is not None, "only what reaches the aim is read"
        ends = list(self.ends)
        return read_between(
            Ends(
                values_EC=self.values_TC[ends],
                weights_EC=self.weights_TC[ends],
                entropy_EC=self.entropy_TC[ends],
                aim_C=self.aim_C,
                aim_weights_C=self.aim_weights_C,
            ),
            counts_RC,
        )


def arms_of(pairing: FrontPairing, metric: Metric) -> tuple[list[Arm], tuple[str, ...], int]:
    """The baseline's arm and that of each K, the prompts that all of them have, and how many there were.

    Raises:
        UnscoredError: when too few prompts have metric and entropy in every run and in the true continuations.
    """
    everything = [(None, pairing.baseline), *pairing.by_steps.items()]
    prompts, asked = _shared(everything, metric)
    member_CP = members(pairing.baseline[0].measured.scores, prompts)
    require_enough(len(prompts), len(member_CP), metric)
    return [_arm(steps, settings, metric, prompts, member_CP) for steps, settings in everything], prompts, asked


def _shared(
    everything: Sequence[tuple[int | None, tuple[Setting, ...]]], metric: Metric
) -> tuple[tuple[str, ...], int]:
    """The prompts that have metric and entropy everywhere, and how many there were."""
    known: list[Weighted] = []
    asked = 0
    for _, settings in everything:
        known.append(weighted(settings[0].measured.human, metric))
        known += [weighted(setting.measured.scores, metric) for setting in settings]
        asked = max(asked, *(len(setting.measured.scores) for setting in settings))
    shared = set.intersection(*map(set, known))
    order = [score.prompt_id for score in everything[0][1][0].measured.scores]
    return tuple(prompt for prompt in order if prompt in shared), asked


def _arm(
    steps: int | None, settings: tuple[Setting, ...], metric: Metric, prompts: Sequence[str], member_CP: Floats
) -> Arm:
    texts = [weighted(setting.measured.scores, metric) for setting in settings]
    human = weighted(settings[0].measured.human, metric)
    known_3TC = np.moveaxis(np.array([[each[prompt] for prompt in prompts] for each in texts]), 2, 0) @ member_CP.T
    aim_3C = np.array([human[prompt] for prompt in prompts]).T @ member_CP.T
    return Arm(
        steps=steps,
        settings=settings,
        values_TC=known_3TC[0],
        weights_TC=known_3TC[1],
        entropy_TC=known_3TC[2],
        aim_C=aim_3C[2],
        aim_weights_C=aim_3C[1],
        ends=_ends(known_3TC[2], known_3TC[1], float(aim_3C[2].sum() / aim_3C[1].sum())),
    )


def _ends(entropy_TC: Floats, weights_TC: Floats, aim: float) -> tuple[int, int] | None:
    """The two temperatures nearest each other whose entropies lie around the aim, and can be told apart."""
    one_1C = np.ones((1, entropy_TC.shape[1]))
    means = [ratio(values_C, weights_C, one_1C) for values_C, weights_C in zip(entropy_TC, weights_TC, strict=True)]
    bracketing: list[tuple[int, float, tuple[int, int]]] = []
    for first, last in combinations(range(len(means)), 2):
        (low, low_1C), (high, high_1C) = means[first], means[last]
        apart = float(high[0, 0] - low[0, 0])
        error = math.sqrt(float(variance_of(high_1C - low_1C, one_1C)[0]))
        is_around = (float(low[0, 0]) - aim) * (float(high[0, 0]) - aim) <= 0
        if is_around and abs(apart) > RESOLVED * error:
            bracketing.append((last - first, abs(apart), (first, last)))
    return min(bracketing)[2] if bracketing else None
