"""Which runs make fronts: one baseline and one diffusion model over temperatures, every other control equal."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from analysis.parity.comparability import diffusion_name, measured_alike, newest
from analysis.parity.controls import Controls, controls_of
from analysis.parity.identity import told_apart
from crossover.records.record import Measurement, Record
from crossover.records.settings import Weights

TEMPERATURE = "temperature"
"""The control that varies along a front."""
LEAST_TEMPERATURES = 2
"""Of a front: what lies between two is read, and one alone has nothing beside it."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One temperature of a front, and the processes that measured it; the texts are those of the first."""

    temperature: float
    processes: tuple[Record, ...]

    @property
    def measured(self) -> Measurement:
        """What the first process measured."""
        measured = self.processes[0].measurement
        assert measured is not None, "fronts hold measured runs"
        return measured


@dataclass(frozen=True, kw_only=True)
class FrontPairing:
    """The baseline over temperatures, beside each K over temperatures, at one batch and length.

    Attributes:
        controls: what was held equal, the temperature not among it.
    """

    batch: int
    length: int
    diffusion: str
    baseline_model: str
    baseline: tuple[Setting, ...]
    by_steps: Mapping[int, tuple[Setting, ...]]
    controls: Controls


def front_pairings(records: Sequence[Record], allow: Collection[str] = frozenset()) -> list[FrontPairing]:
    """Each baseline with each diffusion model, where both were run at two temperatures or more."""
    if len({record.run.temperature for record in records}) < LEAST_TEMPERATURES:
        return []
    allow = {*allow, TEMPERATURE}
    buckets: dict[tuple[int, int, Controls], list[tuple[Record, ...]]] = defaultdict(list)
    for replicates in newest(told_apart(tuple(records)), allow):
        run = replicates[0].run
        if replicates[0].measurement is not None and run.weights is not Weights.random:
            buckets[run.batch, run.length, controls_of(replicates[0], allow)].append(measured_alike(replicates, allow))
    pairings = [pairing for shape, alike in buckets.items() for pairing in _pair(*shape, alike)]
    return sorted(pairings, key=lambda each: (each.batch, each.length, each.diffusion, each.baseline_model))


def _pair(batch: int, length: int, controls: Controls, alike: Iterable[tuple[Record, ...]]) -> list[FrontPairing]:
    baselines: dict[str, dict[float, Setting]] = defaultdict(dict)
    ladders: dict[str, dict[int, dict[float, Setting]]] = defaultdict(lambda: defaultdict(dict))
    for processes in alike:
        run = processes[0].run
        setting = Setting(temperature=run.temperature, processes=processes)
        if run.diffusion is None:
            baselines[run.model.label][run.temperature] = setting
        else:
            ladders[diffusion_name(run)][run.diffusion.steps][run.temperature] = setting
    return [
        FrontPairing(
            batch=batch,
            length=length,
            diffusion=diffusion,
            baseline_model=model,
            baseline=_ordered(baseline),
            by_steps=dict(sorted(kept.items())),
            controls=controls,
        )
        for diffusion, ladder in ladders.items()
        for model, baseline in baselines.items()
        if (kept := {k: _ordered(by) for k, by in ladder.items() if len(by) >= LEAST_TEMPERATURES})
        and len(baseline) >= LEAST_TEMPERATURES
    ]


def _ordered(by_temperature: Mapping[float, Setting]) -> tuple[Setting, ...]:
    return tuple(by_temperature[temperature] for temperature in sorted(by_temperature))
