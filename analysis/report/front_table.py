"""The table of fronts: each arm's quality where its texts are as varied as the authors'."""

from collections.abc import Iterator, Sequence

from analysis.parity.fronts.parity import Front, Fronts
from analysis.parity.quality import METRICS
from analysis.report.tables import Raw, Table, bounds
from analysis.report.words.fronts import around, entropies, quality_there, temperatures
from analysis.report.words.numbers import interval, number
from analysis.statistics.intervals import Interval

METRIC, SETTING = "metric", "setting"
HEADINGS = (
    *("B", "N", METRIC, SETTING, "model", "K", "T", "entropy, nats"),
    *("read between T", "at the authors' entropy", "past the baseline"),
)


def front_table(rows: Sequence[tuple[Fronts, str]]) -> Table:
    """A row for each arm, and one for the authors; the CSV has one for each temperature."""
    absent = {*([SETTING] if not any(setting for _, setting in rows) else [])}
    names = {METRICS[fronts.metric].label for fronts, _ in rows}
    absent |= {METRIC} if len(names) == 1 else set()
    headings = tuple(heading for heading in HEADINGS if heading not in absent)
    shown = [dict(zip(HEADINGS, row, strict=True)) for fronts, setting in rows for row in _rows(fronts, setting)]
    return Table(
        name="fronts",
        title=f"Fronts over temperature: {' and '.join(sorted(names))}",
        headings=headings,
        words=frozenset({METRIC, SETTING, "model"}),
        rows=tuple(tuple(row[heading] for heading in headings) for row in shown),
        raw=tuple(raw for fronts, setting in rows for raw in _raw(fronts, setting)),
    )


def _rows(fronts: Fronts, setting: str) -> Iterator[tuple[str, ...]]:
    where = (str(fronts.batch), str(fronts.length), METRICS[fronts.metric].label, setting)
    for front in fronts.fronts:
        ahead = _advantage(fronts, front)
        yield (
            *where,
            fronts.baseline_model if front.steps is None else fronts.diffusion,
            "" if front.steps is None else str(front.steps),
            temperatures(front),
            entropies(front),
            around(front),
            quality_there(front),
            "" if ahead is None else interval(ahead),
        )
    human = "" if fronts.human is None else number(fronts.human)
    yield (*where, "authors", "", "", f"{fronts.fronts[0].human_entropy:.2f}", "", human, "")


def _advantage(fronts: Fronts, front: Front) -> Interval | None:
    """How far a K is past parity at the authors' entropy."""
    parity = fronts.parity
    if parity is None or front.steps is None or front.steps not in parity.steps:
        return None
    return parity.advantage[parity.steps.index(front.steps)]


def _raw(fronts: Fronts, setting: str) -> Iterator[Raw]:
    for front in fronts.fronts:
        low, high = front.around or (None, None)
        for point in front.points:
            yield {
                "batch": fronts.batch,
                "length": fronts.length,
                "setting": setting,
                "metric": fronts.metric,
                "model": fronts.baseline_model if front.steps is None else fronts.diffusion,
                "steps": front.steps,
                "temperature": point.temperature,
                **bounds("entropy_nats", point.entropy),
                **bounds("quality", point.quality),
                "human_entropy_nats": front.human_entropy,
                "human_quality": fronts.human,
                "read_from_temperature": low,
                "read_to_temperature": high,
                **bounds("quality_at_human_entropy", front.at_human),
                **bounds("advantage_at_human_entropy", _advantage(fronts, front)),
                "prompts": fronts.prompts,
            }
