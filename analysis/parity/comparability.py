"""Which runs may be compared: one diffusion model with one baseline at one (B, N), every control equal."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from analysis.parity.controls import OF_MEASUREMENTS, Controls, check_allowed, controls_of, difference
from analysis.parity.identity import told_apart
from analysis.parity.ladder import by_steps, ladder_name, setting
from crossover.records.load import latest
from crossover.records.record import Record
from crossover.records.run import Run
from crossover.records.settings import Weights

NO_QUALITY = "random weights have no quality to compare"


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """One diffusion model's ladder of steps beside its baseline, all measured, all controls equal.

    Attributes:
        diffusion: the model's name, with its sampling settings where they are not the usual ones.
        by_steps: the measured run of each K, smallest K first; of several replicates the first. Under a policy that
            follows the text, K counts forward passes, see `analysis.parity.ladder`.
        replicates: the other processes that measured a run, by the key of the run.
        controls: what was held equal; a control that the user allowed to vary is not in it.
    """

    batch: int
    length: int
    diffusion: str
    baseline_model: str
    by_steps: Mapping[int, Record]
    baseline: Record
    controls: Controls
    replicates: Mapping[str, tuple[Record, ...]] = field(default_factory=dict)

    def processes(self, record: Record) -> tuple[Record, ...]:
        """All replicates of a run of this pairing, itself first."""
        return (record, *self.replicates.get(record.key, ()))


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """What can be compared of the newest record of each run, of several the first, and a line for each that cannot.

    `replicates` has all processes of each run, the first of them as in `newest`.
    """

    newest: tuple[Record, ...]
    replicates: tuple[tuple[Record, ...], ...]
    pairings: tuple[Pairing, ...]
    left_out: tuple[str, ...]


def newest(records: Iterable[Record], allow: Collection[str] = frozenset()) -> list[tuple[Record, ...]]:
    """The replicates of each run under each set of controls, measured ones before failed ones, then by their index.

    Of one replicate the newest measured record counts; a failed one where there is no other. A record without an
    index is of the first replicate.
    """
    alike: dict[Controls, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda record: record.started_at):
        alike[controls_of(record, {*allow, *OF_MEASUREMENTS})].append(record)
    return [replicates for bucket in alike.values() for replicates in _replicates(bucket)]


def _replicates(records: Iterable[Record]) -> list[tuple[Record, ...]]:
    """The records of one set of controls by run, in the order of the runs' first appearance."""
    by_run: dict[str, list[Record]] = defaultdict(list)
    for record in latest(records):
        by_run[record.key].append(record)
    return [
        tuple(sorted(each, key=lambda record: (record.measurement is None, record.replicate or 0)))
        for each in by_run.values()
    ]


def group(records: Iterable[Record], allow: Collection[str] = frozenset()) -> Grouping:
    """Pair each diffusion model with each baseline of equal controls, at each batch and length.

    Random weights have no quality, so that their runs are left out, whatever is allowed to vary.

    Raises:
        UserError: when `allow` names what is no control.
    """
    check_allowed(allow)
    every = newest(told_apart(tuple(records)), allow)
    kept = [replicates[0] for replicates in every]
    measured = [record for record in kept if record.measurement is not None and not _is_random(record)]
    points: dict[tuple[int, int], list[Record]] = defaultdict(list)
    for record in measured:
        points[record.run.batch, record.run.length].append(record)
    pairings: list[Pairing] = []
    left_out = [_not_measured(record) for replicates in every for record in replicates if record.measurement is None]
    left_out += [f"{record.name}: {NO_QUALITY}" for record in kept if record.measurement and _is_random(record)]
    for _, at_point in sorted(points.items()):
        paired, alone = _pair(at_point, _by_first(every), allow)
        pairings += paired
        left_out += alone
    return Grouping(newest=tuple(kept), replicates=tuple(every), pairings=tuple(pairings), left_out=tuple(left_out))


def measured_alike(replicates: Sequence[Record], allow: Collection[str]) -> tuple[Record, ...]:
    """The measured replicates whose every control is that of the first, the documents among them."""
    controls = controls_of(replicates[0], allow)
    return tuple(each for each in replicates if each.measurement is not None and controls_of(each, allow) == controls)


def _by_first(every: Iterable[tuple[Record, ...]]) -> dict[int, tuple[Record, ...]]:
    """Replicates by the identity of the first of them."""
    return {id(replicates[0]): replicates for replicates in every}


def _pair(
    records: Sequence[Record], replicates: Mapping[int, tuple[Record, ...]], allow: Collection[str]
) -> tuple[list[Pairing], list[str]]:
    """The pairings among the measured records of one (B, N), and a line for each that found no partner."""
    ladders: dict[Controls, dict[str, dict[int | str, Record]]] = defaultdict(lambda: defaultdict(dict))
    baselines: dict[Controls, dict[str, Record]] = defaultdict(dict)
    held = [(record, controls_of(record, allow)) for record in records]
    for record, controls in held:  # the newer ones later, in place of older ones
        if record.run.diffusion is None:
            baselines[controls][record.run.model.label] = record
        else:
            ladders[controls][ladder_name(record.run)][setting(record.run.diffusion)] = record
    pairings = [
        Pairing(
            batch=baseline.run.batch,
            length=baseline.run.length,
            diffusion=diffusion if len(rungs) > 1 else diffusion_name(next(iter(rungs.values())).run),
            baseline_model=model,
            by_steps=by_steps(rungs.values()),
            baseline=baseline,
            controls=controls,
            replicates={
                record.key: measured_alike(replicates[id(record)], allow)[1:] for record in (baseline, *rungs.values())
            },
        )
        for controls in ladders
        if controls in baselines
        for diffusion, rungs in ladders[controls].items()
        for model, baseline in baselines[controls].items()
    ]
    pairings.sort(key=lambda pairing: (pairing.diffusion, pairing.baseline_model))
    return pairings, _alone(held, ladders.keys(), baselines.keys(), allow)


def _alone(
    held: Iterable[tuple[Record, Controls]],
    ladders: Collection[Controls],
    baselines: Collection[Controls],
    allow: Collection[str],
) -> list[str]:
    lines = []
    for record, controls in held:
        partners, wanted = (ladders, "diffusion") if record.run.diffusion is None else (baselines, "autoregressive")
        if controls in partners:
            continue
        reason = f"no {wanted} run at this batch and length"
        if partners:
            reason = f"{difference(record, partners, allow)} in the closest {wanted} run"
        lines.append(f"{record.name}: {reason}")
    return lines


def diffusion_name(run: Run) -> str:
    """The model's name, followed by the sampling settings that differ from pure low-confidence diffusion."""
    return " ".join([run.model.label, *run.unusual_sampling])


def _is_random(record: Record) -> bool:
    return record.run.weights is Weights.random


def _not_measured(record: Record) -> str:
    assert record.failure is not None
    return f"{record.title}: {record.failure.words}"
