"""All that the first screen says."""

from dataclasses import dataclass

from analysis.report.answers import parities
from analysis.report.first_screen.certainty import certainty
from analysis.report.first_screen.circumstances import circumstances
from analysis.report.first_screen.map_cells import MapCells, map_cells, shown_cells
from analysis.report.first_screen.verdict import Row, rows, verdicts
from analysis.report.map.study import largest
from analysis.report.map.words import answers as break_even_answers
from analysis.report.study import Study

NOTHING = "Quality is not compared here: that needs scores of both models at the same batch, length and controls."

NOT_MEASURED = "No run was measured; each stands below with its reason."


@dataclass(frozen=True, kw_only=True)
class FirstScreen:
    """Sentences for each part, rows of the answer, and the map where a pair has one."""

    of: tuple[str, ...]
    verdicts: tuple[str, ...]
    rows: tuple[Row, ...]
    more_rows: int
    map: MapCells | None
    certainty: tuple[str, ...]


def first_screen(study: Study) -> FirstScreen:
    """That of a study."""
    answered, pair = parities(study), largest(study.maps)
    shown = rows(answered)
    break_evens = () if pair is None or answered else tuple(break_even_answers(pair.cells)[:1])
    none = NOTHING if any(not point.failed for point in study.points) else NOT_MEASURED
    return FirstScreen(
        of=circumstances(study.points),
        verdicts=(*break_evens, *(verdicts(answered) or (none,))),
        rows=shown,
        more_rows=len(answered) - len(shown),
        map=None if pair is None else map_cells(pair),
        certainty=certainty(
            [parity for parity, _ in answered], study.points, () if pair is None else shown_cells(pair)
        ),
    )
