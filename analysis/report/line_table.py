"""A table for a terminal whose cells are one line each: it looks as rich's does, and takes a tenth of the time.

Rich measures every cell several times and lays each out by itself, which takes half a minute for ten thousand rows.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from crossover.printable import printable


def as_cell(text: str) -> Text:
    """A text as a table of rich shows it unchanged: no markup, no emoji codes, nothing that commands the terminal."""
    return Text(printable(text))


class LineTable(Table):
    """Columns of cells below their headings; cells of the columns named in `left` stand on the left."""

    def __init__(self, columns: Mapping[str, Sequence[str]], *, left: Collection[str], padding: int) -> None:
        super().__init__(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, padding))
        self._cells, self._left, self._before = columns, left, padding
        self._widths = {heading: max(map(cell_len, (heading, *cells))) for heading, cells in columns.items()}
        self._add_columns(self, self._widths)

    @property
    def row_count(self) -> int:
        """The lines below the headings."""
        return len(next(iter(self._cells.values()), ()))

    @property
    def full_width(self) -> int:
        """The columns of a terminal that shows all of it."""
        return sum(self._widths.values()) + len(self._gap) * (len(self._widths) - 1) + 2

    def show(self, console: Console) -> None:
        """Print it. Where it is wider than the console, the terminal breaks its lines, so that no figure is cut."""
        console.print(self if console.record else _Whole(self), crop=console.record)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """Its width, which does not depend on where it is shown."""
        del console, options
        return Measurement(self.full_width, self.full_width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table; as rich lays it out where that is drawn or too wide, or has other borders or cells than usual."""
        has_other_borders = options.ascii_only or options.legacy_windows
        is_drawn_or_wide = console.record or self.full_width > options.max_width
        if has_other_borders or is_drawn_or_wide or not all(map(_is_plain, self._cells.values())):
            yield from console.render(self._laid_out(), options)
            return
        parts = [each for each in super().__rich_console__(console, options) if isinstance(each, Segment)]
        *head, foot = Segment.split_lines(parts)
        for segments in head:
            yield from (*segments, Segment.line())
        yield Segment("".join(f" {self._gap.join(line)} \n" for line in zip(*self._filled_up(), strict=True)))
        yield from (*foot, Segment.line())

    @property
    def _gap(self) -> str:
        """What stands between two cells: the padding of both, and a column of the box."""
        return " " * (1 + 1 + self._before)

    def _filled_up(self) -> Iterator[list[str]]:
        """The cells of each column, as wide as it."""
        for heading, cells in self._cells.items():
            blanks = [" " * (self._widths[heading] - cell_len(cell)) for cell in cells]
            pairs = zip(cells, blanks, strict=True)
            yield (
                [cell + blank for cell, blank in pairs]
                if heading in self._left
                else [blank + cell for cell, blank in pairs]
            )

    def _add_columns(self, table: Table, widths: Mapping[str, int]) -> None:
        for heading in self._cells:
            table.add_column(
                as_cell(heading),
                justify="left" if heading in self._left else "right",
                no_wrap=True,
                min_width=widths.get(heading),
            )

    def _laid_out(self) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, self._before))
        self._add_columns(table, {})
        for line in zip(*self._cells.values(), strict=True):
            table.add_row(*map(as_cell, line))
        return table


class _Whole:
    """A table in its full width, however narrow the console."""

    def __init__(self, table: LineTable) -> None:
        self._table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table's lines."""
        width = max(options.max_width, self._table.full_width)
        yield from console.render(self._table, options.update(width=width))


def _is_plain(cells: Sequence[str]) -> bool:
    """Whether rich would show each cell as it is, in one line."""
    return "".join(cells).isprintable() and all(cell == cell.strip() for cell in cells)
