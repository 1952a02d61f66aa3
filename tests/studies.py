"""Small simulated sweeps over batch and length, for tests of figures, tables and pages."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from analysis.parity.choice import Reading
from analysis.parity.parity import Parity
from analysis.parity.quality import METRICS
from analysis.report.figures.panel import Panel
from analysis.report.study import Study, study
from analysis.statistics.crossing import Crossing
from analysis.statistics.intervals import Interval
from crossover.records.profile import Profile
from crossover.records.record import Record
from tests.factories import CONTEXT, a_profile
from tests.simulation import Truth, curve, simulate

STEPS = (2, 4, 8)


def a_sweep(batches: Sequence[int] = (1, 8), lengths: Sequence[int] = (16,), **changes: object) -> list[Record]:
    """Measured records of both arms at every batch and length; parity lies at K=4."""
    truth = Truth(rate=curve(floor=2.0, drop=1.0, steps=STEPS), baseline_rate=2.6, prompts=32)
    random = np.random.default_rng(0)
    records = []
    for batch in batches:
        for length in lengths:
            for record in simulate(truth, random):
                model = replace(record.run.model, context=max(CONTEXT, length))
                run = replace(record.run, batch=batch, length=length, model=model)
                if run.diffusion is not None:
                    run = replace(run, diffusion=replace(run.diffusion, block_length=run.output_tokens))
                records.append(replace(record, run=run, key=run.key, name=run.name, **changes))  # type: ignore[arg-type]
    return records


def profiled(record: Record, profile: Profile | None = None) -> Record:
    assert record.measurement is not None
    return replace(record, measurement=replace(record.measurement, profile=profile or a_profile()))


def a_study(records: Sequence[Record] | None = None) -> Study:
    return study(a_sweep() if records is None else records, metrics=[METRICS["perplexity"]])


def a_parity(**changes: object) -> Parity:
    """Reached at K=4 of 2, 4 and 8, where it is 1.3 times as fast."""
    settings: dict[str, object] = {
        "batch": 1,
        "length": 16,
        "diffusion": "small",
        "baseline_model": "causal",
        "metric": "perplexity",
        "margin": 0.0,
        "prompts": 8,
        "clusters": 8,
        "steps": STEPS,
        "quality": (Interval(30, 25, 35), Interval(19, 16, 22), Interval(15, 12, 18)),
        "baseline": Interval(20, 18, 22),
        "advantage": (Interval(-0.4, -0.6, -0.2), Interval(0.05, -0.1, 0.2), Interval(0.3, 0.1, 0.5)),
        "trimmed": (Interval(-0.4, -0.6, -0.2), Interval(0.05, -0.1, 0.2), Interval(0.3, 0.1, 0.5)),
        "reaches_share": (0.0, 0.8, 1.0),
        "first_steps": 4,
        "holds_from_steps": 4,
        "first_steps_interval": (4, 8),
        "monotone": True,
        "crossing": Crossing(steps=3.6, low=2.9, high=4.7, possible=(4, 8)),
        "crossing_speedup": Interval(1.4, 1.1, 1.7),
        "processes": 1,
        "verdict_margin": 0.1,
        "disturbed": (),
        "resamples": 2000,
        "reading": Reading.reached,
        "latency_s": (Interval(0.02, 0.019, 0.021), Interval(0.04, 0.039, 0.041), Interval(0.08, 0.079, 0.081)),
        "baseline_latency_s": Interval(0.052, 0.05, 0.054),
        "speedup": Interval(1.3, 1.2, 1.4),
        "flags": (),
    }
    return Parity(**(settings | changes))  # type: ignore[arg-type]


def a_panel(parity: Parity | None = None, setting: str = "") -> Panel:
    return Panel(parity=parity or a_parity(), setting=setting, entropy=None)


def not_reached(**changes: object) -> Parity:
    settings: dict[str, object] = {
        "first_steps": None,
        "holds_from_steps": None,
        "first_steps_interval": (None, None),
        "reading": Reading.not_reached,
        "speedup": None,
        "crossing": Crossing(steps=math.inf, low=math.inf, high=math.inf, possible=(None, None)),
        "crossing_speedup": None,
    }
    return a_parity(**(settings | changes))


def undecided(**changes: object) -> Parity:
    """No K is shown to reach the baseline, and K=4 and 8 are not shown to fall short."""
    settings: dict[str, object] = {"first_steps_interval": (4, None), "reading": Reading.undecided}
    return a_parity(**(settings | {"crossing_speedup": None} | changes))
