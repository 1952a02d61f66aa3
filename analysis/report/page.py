"""The report as one page of HTML: nothing is fetched, nothing runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from analysis.report.answers import answers, disagreements_of, parities
from analysis.report.figures.panel import Panel
from analysis.report.figures.style import Picture
from analysis.report.map.words import answers as break_even_answers
from analysis.report.study import Study
from analysis.report.tables import Table
from analysis.report.words.basis import basis
from analysis.report.words.numbers import listed
from crossover.records.record import Record

MOST_ANSWERS = 24
MOST_ROWS = 150
MOST_LINES = 40

LAYOUT = "templates/report.html"
MACHINE = ("host", "system", "cpu", "cpu_threads", "gpu", "driver")
SOFTWARE = ("python", "torch", "cuda", "transformers", "crossover", "commit", "engine", "attention")


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The first lines of a list, and the number of all its lines."""

    lines: tuple[str, ...]
    total: int

    @property
    def more(self) -> int:
        """The number of lines that are not shown."""
        return self.total - len(self.lines)


def render(study: Study, pictures: Sequence[Picture], tables: Sequence[Table], rejected: Sequence[str]) -> str:
    """The page."""
    engine = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    layout = engine.from_string(files("analysis.report").joinpath(LAYOUT).read_text(encoding="utf-8"))
    panels = [panel for by_metric in study.panels.values() for panel in by_metric]
    said, answered = answers(study), parities(study)
    return layout.render(
        subject=_subject(panels),
        summary=_summary(study),
        answers=[(each.sentence, each.setting, each.remarks) for each in said[:MOST_ANSWERS]],
        basis=basis([parity for parity, _ in answered] or [each.parity for each in panels]) if panels else "",
        disagreements=disagreements_of(study)[:MOST_ANSWERS],
        more_answers=len(said) - len(said[:MOST_ANSWERS]),
        partial=_partial(study),
        break_evens=[sentence for each in study.maps for sentence in break_even_answers(each.cells)][:MOST_ANSWERS],
        pictures=pictures,
        tables=tables,
        most_rows=MOST_ROWS,
        left_out=_listing([*study.left_out, *(f"not read: {line}" for line in rejected)]),
        controls={name: _few(values) for name, values in study.controls.items()},
        machines=_facts([point.record for point in study.points]),
    )


def _subject(panels: Sequence[Panel]) -> str:
    pairs = dict.fromkeys((panel.parity.diffusion, panel.parity.baseline_model) for panel in panels)
    if not pairs:
        return "Measured runs"
    return _few([f"{diffusion} against {baseline}" for diffusion, baseline in pairs])


def _summary(study: Study) -> str:
    """How much was measured, and when."""
    measured = sum(not point.failed for point in study.points)
    kinds = Counter(point.failed for point in study.points if point.failed)
    failed = f"; {listed([f'{number} {kind}' for kind, number in kinds.items()])}" if kinds else ""
    days = sorted({point.record.started_at[:10] for point in study.points})
    when = f"on {days[0]}" if len(days) == 1 else f"from {days[0]} to {days[-1]}"
    return f"{len(study.points):,} runs, {measured:,} measured{failed}; {when} (UTC)."


def _partial(study: Study) -> str:
    """Which points the figures of timing and memory hold."""
    if len(study.alike) == len(study.points):
        return ""
    return (
        f"The figures of timing and memory hold the largest set of runs with equal controls,"
        f" {len(study.alike):,} of {len(study.points):,}; the table of grid points holds all."
    )


def _listing(lines: Sequence[str]) -> Listing:
    return Listing(lines=tuple(lines[:MOST_LINES]), total=len(lines))


def _few(values: Sequence[str], most: int = 6) -> str:
    rest = len(values) - most
    return listed([*values[:most], f"{rest} more"]) if rest > 0 else listed(values)


def _facts(records: Sequence[Record]) -> Mapping[str, str]:
    """Every fact of the environments with the values that it took."""
    known = [asdict(environment) for environment in {record.environment for record in records} if environment]
    facts = {}
    for name in (*MACHINE, *SOFTWARE):
        values = sorted({str(each[name]) for each in known if each[name] is not None})
        if values:
            facts[name.replace("_", " ")] = _few(values)
    return facts
