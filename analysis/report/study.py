"""All that the report says of a set of records: what was compared, with what result, and what was left out."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from analysis.parity.comparability import Pairing, group
from analysis.parity.controls import OF_MEASUREMENTS, Controls, controls_of
from analysis.parity.evidence import UnscoredError, comparable
from analysis.parity.fronts.pairings import TEMPERATURE, FrontPairing, front_pairings
from analysis.parity.fronts.parity import Fronts, read_fronts
from analysis.parity.quality import METRICS, Metric
from analysis.parity.steps_to_parity import RESAMPLES, check_margin, find_parity, measured_of
from analysis.report.figures.panel import MOST_PANELS, Entropy, Panel, Passes
from analysis.report.map.study import PairMap, pair_maps
from analysis.report.points import Point, points_of
from analysis.statistics.bootstrap import resample, studentise
from analysis.statistics.metrics import metrics as metrics_of
from crossover.confidence import LEVEL
from crossover.records.record import Record

SHAPE = frozenset({"output_tokens", "prompt_tokens", *OF_MEASUREMENTS})
"""Controls that follow from length, batch and texts, and so differ within a figure."""
MOST_NATS = 1e6
"""No text has an entropy of so much: it would overflow."""
MANY = 200
"""From this many pairings on, the bootstrap takes fewer resamples, so that it ends in seconds."""
FEWER_RESAMPLES = 1000
MOST_MARKED = 200
"""Comparisons of quality that are marked in the map."""

T = TypeVar("T")


class Track(Protocol):
    """Returns the items that it is given, and shows how many of them are done."""

    def __call__(self, items: Sequence[T], what: str, /) -> Iterable[T]:
        """The items; `what` names in a word what is done with them."""
        ...


def untracked(items: Sequence[T], _: str) -> Iterable[T]:
    """The items; nothing is shown."""
    return items


@dataclass(frozen=True, kw_only=True)
class FrontPanel:
    """The fronts of one pairing by one metric; `setting` names what tells them from others, or is empty."""

    fronts: Fronts
    setting: str


@dataclass(frozen=True, kw_only=True)
class Study:
    """The analysis of a set of records.

    Attributes:
        points: each run, with all processes that measured it.
        alike: the largest set of points that share all controls except those that the length decides.
        panels: for each metric that the records have, its parities by setting, batch and length.
        controls: for each control, the values that the compared runs have.
        left_out: a line for each run that entered no comparison of quality.
        fronts: quality against entropy where arms were run at several temperatures, by each metric that needs it.
        maps: break-even of each pair, whatever its quality.
    """

    points: tuple[Point, ...]
    alike: tuple[Point, ...]
    panels: dict[str, tuple[Panel, ...]]
    controls: dict[str, tuple[str, ...]]
    left_out: tuple[str, ...]
    fronts: tuple[FrontPanel, ...] = ()
    maps: tuple[PairMap, ...] = ()

    @property
    def every_panel(self) -> tuple[Panel, ...]:
        """The panels of all metrics, one metric after another."""
        return tuple(panel for of_metric in self.panels.values() for panel in of_metric)


def study(
    records: Sequence[Record],
    *,
    metrics: Sequence[Metric],
    margin: float = 0.0,
    allow: frozenset[str] = frozenset(),
    track: Track = untracked,
) -> Study:
    """Analyse `records` by each of `metrics` that they have.

    Raises:
        UserError: when `allow` names no control or the margin is none.
    """
    check_margin(margin)
    grouping = group(records, allow)
    every = points_of(grouping.replicates)
    settings = _settings(grouping.pairings)
    panels: dict[str, list[Panel]] = defaultdict(list)
    unknown: list[str] = []
    resamples = RESAMPLES if len(grouping.pairings) < MANY else FEWER_RESAMPLES
    ordered = sorted(zip(settings, grouping.pairings, strict=True), key=_order)
    over_temperatures = front_pairings(records, allow)
    fronts, without = _fronts(over_temperatures, metrics, margin, resamples)
    read = {(each.fronts.metric, _compared(pairing)) for pairing, each in fronts}
    for setting, every_k in track(ordered, "comparing"):
        for metric in (each for each in metrics if _has(every_k, each)):
            pairing, too_little = comparable(every_k, metric)
            unknown += too_little
            if not pairing.by_steps:
                continue
            try:
                parity = find_parity(pairing, metric, margin=margin, resamples=resamples)
            except UnscoredError as error:
                unknown.append(f"{pairing.diffusion} B={pairing.batch} N={pairing.length}: {error}")
            else:
                entropy = _entropy(pairing) if len(panels[metric.name]) < MOST_PANELS else None
                panels[metric.name].append(
                    Panel(
                        parity=parity,
                        setting=setting,
                        entropy=entropy,
                        is_in_fronts=(metric.name, _compared(pairing)) in read,
                        passes=_passes(pairing) if metric.is_share else None,
                    )
                )
    return Study(
        points=tuple(every),
        alike=tuple(_alike(every, allow)),
        panels={name: tuple(panels[name]) for name in METRICS if name in panels},
        controls=_held(grouping.pairings),
        left_out=(*grouping.left_out, *unknown, *without),
        fronts=tuple(each for _, each in fronts),
        maps=tuple(pair_maps(records, [panel for each in panels.values() for panel in each][:MOST_MARKED], allow)),
    )


def _fronts(
    pairings: Sequence[FrontPairing], metrics: Sequence[Metric], margin: float, resamples: int
) -> tuple[list[tuple[FrontPairing, FrontPanel]], list[str]]:
    """The fronts of each pairing by each metric that rewards repetition, and a line for those that have none."""
    panels, without = [], []
    for setting, pairing in zip(_settings(pairings), pairings, strict=True):
        for metric in (each for each in metrics if each.rewards_repetition):
            try:
                fronts = read_fronts(pairing, metric, margin=margin, resamples=resamples)
            except UnscoredError as error:
                without.append(f"fronts of {pairing.diffusion} B={pairing.batch} N={pairing.length}: {error}")
            else:
                panels.append((pairing, FrontPanel(fronts=fronts, setting=setting)))
    return panels, without


def _passes(pairing: Pairing) -> Passes:
    ladder = tuple(measured_of(run).forward_passes for run in pairing.by_steps.values())
    return Passes(
        ladder=ladder,
        baseline=measured_of(pairing.baseline).forward_passes,
        output_tokens=pairing.baseline.run.output_tokens,
    )


def _compared(pairing: Pairing | FrontPairing) -> tuple[object, ...]:
    """What is compared, whatever the temperature and what follows from it."""
    controls = tuple((name, value) for name, value in pairing.controls if name != TEMPERATURE)
    return pairing.batch, pairing.length, pairing.diffusion, pairing.baseline_model, controls


def _order(setting_and_pairing: tuple[str, Pairing]) -> tuple[str, int, int]:
    setting, pairing = setting_and_pairing
    return setting, pairing.batch, pairing.length


def _has(pairing: Pairing, metric: Metric) -> bool:
    """Whether any output of the pairing was scored by the metric."""
    runs = (pairing.baseline, *pairing.by_steps.values())
    measured = (run.measurement for run in runs if run.measurement is not None)
    return any(part is not None for measurement in measured for part in metric.parts(measurement).values())


def _settings(pairings: Sequence[Pairing | FrontPairing]) -> list[str]:
    """For each pairing, the settings besides B and N that tell it from others: models, and controls that vary."""
    facts = [
        {
            **{name: str(value) for name, value in pairing.controls if name not in SHAPE},
            "models": f"{pairing.diffusion} and {pairing.baseline_model}",
        }
        for pairing in pairings
    ]
    varying = [name for name in (facts[0] if facts else {}) if len({each[name] for each in facts}) > 1]
    return [", ".join(each[name] if name == "models" else f"{name}={each[name]}" for name in varying) for each in facts]


def _held(pairings: Iterable[Pairing]) -> dict[str, tuple[str, ...]]:
    seen: dict[str, dict[str, None]] = defaultdict(dict)
    for pairing in pairings:
        for name, value in pairing.controls:
            seen[name]["none" if value is None else str(value)] = None
    return {name: tuple(values) for name, values in seen.items()}


def _alike(every: Sequence[Point], allow: Collection[str]) -> list[Point]:
    sets: dict[Controls, list[Point]] = defaultdict(list)
    for point in every:
        sets[controls_of(point.record, {*allow, *SHAPE})].append(point)
    return max(sets.values(), key=len, default=[])


def _entropy(pairing: Pairing) -> Entropy | None:
    """Mean entropy over the prompts that all arms share, for the figures; None with fewer than two or of none."""
    runs = (pairing.baseline, *pairing.by_steps.values())
    arms = [
        {score.prompt_id: score.entropy_nats for score in run.measurement.scores if score.entropy_nats is not None}
        for run in runs
        if run.measurement
    ]
    shared = sorted(set.intersection(*map(set, arms)))
    values_AP = np.array([[arm[prompt] for prompt in shared] for arm in arms])
    if len(shared) < 2 or np.abs(values_AP).max() > MOST_NATS:  # noqa: PLR2004 (no spread in one)
        return None
    drawn = resample(values_AP, np.ones_like(values_AP), resamples=FEWER_RESAMPLES)
    baseline, *values = studentise(drawn.mean_RA, drawn.variance_RA).intervals(LEVEL, float)
    human = metrics_of(pairing.baseline).get("human/entropy_nats")
    return Entropy(steps=tuple(pairing.by_steps), values=tuple(values), baseline=baseline, human=human)
