"""A table of lines is shown exactly as rich shows a table of the same cells."""

import io
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich import box
from rich.console import Console
from rich.table import Table

from analysis.report.line_table import LineTable, as_cell

CELLS = st.one_of(
    st.text(alphabet="abc 1.,[]:é日\u0301", max_size=6), st.sampled_from(["", "a\nb", "\t", " x", "\x1b[1m", ":tada:"])
)
HEADINGS = ["model", "steps", "latency s"]


def as_rich_shows_it(columns: Mapping[str, Sequence[str]], padding: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, padding))
    for heading in columns:
        table.add_column(as_cell(heading), justify="left" if heading == "model" else "right", no_wrap=True)
    for line in zip(*columns.values(), strict=True):
        table.add_row(*map(as_cell, line))
    return table


def shown(table: Table, width: int, *, in_colour: bool = False) -> str:
    console = Console(
        file=io.StringIO(), width=width, force_terminal=in_colour, color_system="truecolor" if in_colour else None
    )
    with console.capture() as captured:
        console.print(table)
    return captured.get()


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=5),
    width=st.integers(5, 60),
    padding=st.integers(0, 1),
    in_colour=st.booleans(),
)
def test_any_cells_look_as_rich_lays_them_out(
    rows: list[tuple[str, ...]], width: int, padding: int, *, in_colour: bool
) -> None:
    columns = {heading: [row[index] for row in rows] for index, heading in enumerate(HEADINGS)}
    ours, richs = LineTable(columns, left={"model"}, padding=padding), as_rich_shows_it(columns, padding)
    assert shown(ours, width, in_colour=in_colour) == shown(richs, width, in_colour=in_colour)


def test_its_width_is_that_of_the_lines_that_it_is_shown_in() -> None:
    columns = {"model": ["a", "abcdefgh"], "steps": ["1", "1,000,000"]}
    table = LineTable(columns, left={"model"}, padding=1)
    assert {len(line) for line in shown(table, 80).splitlines()} == {table.full_width}
    assert Console(width=80).measure(table).maximum == table.full_width


def test_where_lines_cannot_be_drawn_its_borders_are_those_of_rich() -> None:
    columns = {"model": ["a", "b"], "steps": ["1", "10"]}
    written = []
    for table in (LineTable(columns, left={"model"}, padding=1), as_rich_shows_it(columns, 1)):
        file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        Console(file=file, width=60).print(table)
        file.seek(0)
        written.append(file.read())
    assert written[0] == written[1]
    assert "|a" in written[0]


@pytest.mark.parametrize("padding", [0, 1])
def test_a_picture_of_it_is_that_of_rich(padding: int) -> None:
    columns = {"model": ["a", "b"], "steps": ["1", "10"]}
    pictures = []
    for table in (LineTable(columns, left={"model"}, padding=padding), as_rich_shows_it(columns, padding)):
        console = Console(file=io.StringIO(), width=40, record=True)
        console.print(table)
        pictures.append(console.export_svg(title="x", unique_id="x"))
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("cell", ["1,234.5", "b\x1b["])
def test_no_figure_is_cut_where_the_console_is_narrow(cell: str, *, is_terminal: bool) -> None:
    """The terminal breaks the lines."""
    table = LineTable({"model": ["a" * 30], "latency s": [cell]}, left={"model"}, padding=1)
    written = io.StringIO()
    table.show(Console(file=written, width=20, force_terminal=is_terminal, color_system=None))
    lines = written.getvalue().splitlines()
    assert len(lines) == 5
    assert lines[3].split() == ["a" * 30, as_cell(cell).plain]
    assert "\u2026" not in written.getvalue()
