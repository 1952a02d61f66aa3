"""The report as one page of HTML: nothing is fetched, nothing runs."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined

from analysis.report.answers import answers, disagreements_of, parities
from analysis.report.figures.style import Picture
from analysis.report.first_screen.screen import first_screen
from analysis.report.map.words import answers as break_even_answers
from analysis.report.study import Study
from analysis.report.tables import Table
from analysis.report.words.basis import basis
from analysis.report.words.numbers import first_listed
from crossover.records.record import Record

MOST_ANSWERS = 24
MOST_ROWS = 150
TALL = 24
"""A table of more rows scrolls in a box of its own."""
MOST_LINES = 40
MOST_NAMES = 12
MOST_VALUES = 6

LAYOUT = "report.html"
MACHINE = ("host", "system", "cpu", "cpu_threads", "gpu", "driver")
SOFTWARE = ("python", "torch", "cuda", "transformers", "crossover", "commit", "engine", "attention")


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Lines by their reason, each with the names that share it; how many there are in all, and how many not shown."""

    lines: tuple[tuple[str, str], ...]
    total: int
    more: int


def render(study: Study, pictures: Sequence[Picture], tables: Sequence[Table], rejected: Sequence[str]) -> str:
    """The page."""
    engine = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    panels = study.every_panel
    said, answered = answers(study), parities(study)
    return engine.get_template(LAYOUT).render(
        subject=_subject(study),
        first=first_screen(study),
        answers=[(each.sentence, each.setting, each.remarks) for each in said[:MOST_ANSWERS]],
        basis=basis([parity for parity, _ in answered] or [each.parity for each in panels]) if panels else "",
        disagreements=disagreements_of(study)[:MOST_ANSWERS],
        more_answers=len(said) - len(said[:MOST_ANSWERS]),
        partial=_partial(study),
        break_evens=[sentence for each in study.maps for sentence in break_even_answers(each.cells)][:MOST_ANSWERS],
        pictures=pictures,
        tables=tables,
        most_rows=MOST_ROWS,
        tall=TALL,
        left_out=_listing([*study.left_out, *(f"not read: {line}" for line in rejected)]),
        controls={name: first_listed(values, MOST_VALUES) for name, values in study.controls.items()},
        machines=_facts([point.record for point in study.points]),
    )


def _template(name: str) -> str:
    return files("analysis.report").joinpath("templates", name).read_text(encoding="utf-8")


def _subject(study: Study) -> str:
    """The pairs of models: those whose quality is compared, then others that the map has."""
    compared = dict.fromkeys((panel.parity.diffusion, panel.parity.baseline_model) for panel in study.every_panel)
    timed = [(each.diffusion, each.baseline) for each in study.maps]
    pairs = [*compared, *(pair for pair in timed if not any(_is_of(name, pair) for name in compared))]
    if not pairs:
        return "Measured runs"
    return first_listed([f"{diffusion} against {baseline}" for diffusion, baseline in pairs], MOST_VALUES)


def _is_of(compared: tuple[str, str], pair: tuple[str, str]) -> bool:
    """Whether the names are those of the pair; a policy may follow diffusion's."""
    return compared[0].split(" ")[0] == pair[0] and compared[1] == pair[1]


def _partial(study: Study) -> str:
    """Which points the figures of timing and memory hold."""
    if len(study.alike) == len(study.points):
        return ""
    return (
        f"The figures of timing and memory hold the largest set of runs with equal controls,"
        f" {len(study.alike):,} of {len(study.points):,}; the table of grid points holds all."
    )


def _listing(lines: Sequence[str]) -> Listing:
    """A line for each reason; one that a single run or file has stands as it is."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        by_reason[line.partition(": ")[2]].append(line)
    shown = list(by_reason.items())[:MOST_LINES]
    return Listing(
        lines=tuple(_of_reason(reason, alike) for reason, alike in shown),
        total=len(lines),
        more=len(lines) - sum(len(alike) for _, alike in shown),
    )


def _of_reason(reason: str, lines: Sequence[str]) -> tuple[str, str]:
    if len(lines) == 1:
        return lines[0], ""
    return f"{len(lines):,} runs: {reason}", first_listed([line.partition(": ")[0] for line in lines], MOST_NAMES)


def _facts(records: Sequence[Record]) -> Mapping[str, str]:
    """Every fact of the environments with the values that it took."""
    known = [asdict(environment) for environment in {record.environment for record in records} if environment]
    facts = {}
    for name in (*MACHINE, *SOFTWARE):
        values = sorted({str(each[name]) for each in known if each[name] is not None})
        if values:
            facts[name.replace("_", " ")] = first_listed(values, MOST_VALUES)
    return facts
