"""The parity table: one row for each metric, batch and length."""

import math
from collections.abc import Sequence

from analysis.parity.choice import Reading
from analysis.parity.parity import Parity
from analysis.parity.quality import METRICS
from analysis.report.tables import Raw, Table, bounds
from analysis.report.words.disturbances import machine
from analysis.report.words.numbers import inside, interval, number, ratio_interval
from analysis.report.words.parity import crossing, remarks, steps_to_parity

NAMES = ("diffusion", "baseline", "metric")
"""Columns that stand in the title instead where all rows agree."""
SETTING = "setting"
PROCESSES = "processes"
HUMAN = "of authors"
"""The metric of the documents' true continuations."""
AT_AUTHORS = "fronts at the authors' entropy"
GAP = "entropy gap"
"""Nats by which diffusion's texts are more varied than the baseline's, at one temperature."""
HEADINGS = (
    *("B", "N", *NAMES, SETTING, HUMAN, "of baseline", "K at parity", "at parity", GAP, "speed-up"),
    *("curves cross at K", "speed-up there", PROCESSES, "machine", "remarks"),
)


def parity_table(rows: Sequence[tuple[Parity, str]]) -> Table:
    """A row for each parity, with its setting in words."""
    shown = [_shown(parity, setting) for parity, setting in rows]
    same = {name: shown[0][name] for name in NAMES if shown and len({row[name] for row in shown}) == 1}
    same |= _same_processes(rows)
    unknown = {
        SETTING: not any(_setting(parity, setting) for parity, setting in rows),
        "machine": not any(parity.disturbed for parity, _ in rows),
        HUMAN: all(parity.human is None for parity, _ in rows),
        GAP: all(parity.entropy_gap is None for parity, _ in rows),
    }
    absent = {*same, *(heading for heading, is_unknown in unknown.items() if is_unknown)}
    headings = tuple(name for name in HEADINGS if name not in absent)
    return Table(
        name="parity",
        title=_title(same),
        headings=headings,
        words=frozenset({*NAMES, SETTING, "machine", "remarks"}),
        rows=tuple(tuple(row[heading] for heading in headings) for row in shown),
        raw=tuple(_raw(parity, setting) for parity, setting in rows),
    )


def _title(same: dict[str, str]) -> str:
    models = " against ".join(same[name] for name in ("diffusion", "baseline") if name in same)
    metric = inside(same["metric"]) if "metric" in same else ""
    told = [part for part in (models, metric, same.get(PROCESSES, "")) if part]
    return ": ".join(["Steps to parity", *([", ".join(told)] if told else [])])


def _same_processes(rows: Sequence[tuple[Parity, str]]) -> dict[str, str]:
    """How many processes timed each run, where all rows agree."""
    counts = {parity.processes for parity, _ in rows}
    if len(counts) != 1:
        return {}
    (count,) = counts
    return {PROCESSES: "one process a run" if count == 1 else f"{count} processes a run"}


def _shown(parity: Parity, setting: str) -> dict[str, str]:
    first = parity.first_steps
    at_parity = None if first is None else parity.quality[parity.steps.index(first)]
    cells = (
        str(parity.batch),
        str(parity.length),
        parity.diffusion,
        parity.baseline_model,
        METRICS[parity.metric].label,
        _setting(parity, setting),
        "" if parity.human is None else number(parity.human),
        interval(parity.baseline),
        _steps(parity),
        "" if at_parity is None else interval(at_parity),
        "" if parity.entropy_gap is None else f"{parity.entropy_gap.estimate:+.2f}",
        "" if parity.speedup is None else ratio_interval(parity.speedup),
        crossing(parity),
        "" if parity.crossing_speedup is None else ratio_interval(parity.crossing_speedup),
        str(parity.processes),
        machine(parity.disturbed),
        " ".join(remarks(parity)),
    )
    return dict(zip(HEADINGS, cells, strict=True))


def _setting(parity: Parity, setting: str) -> str:
    """The setting in words, and where a parity between fronts was read."""
    return ", ".join(part for part in (setting, "" if parity.at_entropy is None else AT_AUTHORS) if part)


def _steps(parity: Parity) -> str:
    """S_parity with its interval."""
    low, high = (f"> {parity.steps[-1]}" if end is None else str(end) for end in parity.first_steps_interval)
    first = steps_to_parity(parity)
    if parity.reading is not Reading.undecided and parity.first_steps is not None and parity.settings:
        first = f"{first} ({parity.settings[parity.first_steps]})"
    return first if low == high and parity.first_steps is None else f"{first} [{low}, {high}]"


def _measured(steps: float) -> float | None:
    """The steps at the crossing; None below the smallest K and above the largest."""
    return steps if 0.0 < steps < math.inf else None


def _raw(parity: Parity, setting: str) -> Raw:
    low, high = parity.first_steps_interval
    return {
        "batch": parity.batch,
        "length": parity.length,
        "diffusion": parity.diffusion,
        "baseline": parity.baseline_model,
        "setting": setting,
        "metric": parity.metric,
        "at_entropy_nats": parity.at_entropy,
        "margin": parity.margin,
        "reading": parity.reading.value,
        "steps_to_parity": parity.first_steps,
        "steps_to_parity_low": low,
        "steps_to_parity_high": high,
        "holds_from_steps": parity.holds_from_steps,
        "crossing_steps": _measured(parity.crossing.steps),
        "crossing_steps_low": _measured(parity.crossing.low),
        "crossing_steps_high": _measured(parity.crossing.high),
        "monotone": parity.monotone,
        "largest_steps": parity.steps[-1],
        "human_quality": None if parity.human is None else _finite(parity.human),
        **bounds("baseline_quality", parity.baseline),
        **bounds("entropy_gap_nats", parity.entropy_gap),
        "at_equal_entropy": None if parity.entropy_gap is None else not parity.is_of_unlike_texts,
        **bounds("speedup", parity.speedup),
        **bounds("crossing_speedup", parity.crossing_speedup),
        **bounds("baseline_latency_s", parity.baseline_latency_s),
        "steps": " ".join(map(str, parity.steps)),
        "settings": "; ".join(parity.settings.values()),
        "quality": " ".join(f"{each.estimate:.6g}" for each in parity.quality),
        "advantage": " ".join(f"{each.estimate:.6g}" for each in parity.advantage),
        "advantage_low": " ".join(f"{each.low:.6g}" for each in parity.advantage),
        "advantage_high": " ".join(f"{each.high:.6g}" for each in parity.advantage),
        "trimmed_advantage": " ".join(f"{each.estimate:.6g}" for each in parity.trimmed),
        "trimmed_advantage_low": " ".join(f"{each.low:.6g}" for each in parity.trimmed),
        "trimmed_advantage_high": " ".join(f"{each.high:.6g}" for each in parity.trimmed),
        "reaches_share": " ".join(f"{each:.4g}" for each in parity.reaches_share),
        "latency_s": " ".join("" if each is None else f"{each.estimate:.6g}" for each in parity.latency_s),
        "mcnemar_p": " ".join(f"{each.p:.4g}" for each in parity.mcnemar),
        "processes": parity.processes,
        "machine": machine(parity.disturbed),
        "prompts": parity.prompts,
        "clusters": parity.clusters,
        "resamples": parity.resamples,
        "flags": " ".join(parity.flags),
    }


def _finite(value: float) -> float | None:
    """A number; None for an end that the data do not bound."""
    return value if math.isfinite(value) else None
