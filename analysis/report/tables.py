"""Tables as CSV (raw numbers, units in the names), Markdown and LaTeX (booktabs)."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.statistics.intervals import Interval

LONG = 40
"""A LaTeX table of this many rows or more breaks over pages."""

REMARKS = "remarks"
"""The heading of a last column whose cells are sentences."""

TEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "≤": r"$\leq$",
    ">": r"$>$",
    "<": r"$<$",
}

FORMULA = ("=", "+", "-", "@", "\t")
"""With what a cell begins that a spreadsheet computes."""

Raw = Mapping[str, object]
"""A row for machines: units in the names, None where there is no value."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table in two forms: `rows` for people, `raw` for machines.

    Attributes:
        words: the headings whose columns hold words and are set flush left.
    """

    name: str
    title: str
    headings: tuple[str, ...]
    words: frozenset[str]
    rows: tuple[tuple[str, ...], ...]
    raw: tuple[Raw, ...]

    @property
    def left(self) -> tuple[bool, ...]:
        """Whether each column is set flush left."""
        return tuple(heading in self.words for heading in self.headings)

    @property
    def files(self) -> tuple[str, ...]:
        """The names of its files."""
        return f"{self.name}.csv", f"{self.name}.md", f"{self.name}.tex"

    def save(self, folder: Path) -> None:
        """Write its files to a folder."""
        for name, text in zip(self.files, (as_csv(self), as_markdown(self), as_latex(self)), strict=True):
            (folder / name).write_text(text, encoding="utf-8", newline="\n")


def bounds(name: str, known: Interval | None) -> Raw:
    """Three cells of a row for machines, an estimate and its ends; None where it is unknown or nothing bounds it."""
    ends = (None,) * 3 if known is None else (known.estimate, known.low, known.high)
    cells = zip((name, f"{name}_low", f"{name}_high"), ends, strict=True)
    return {cell: None if end is None or not math.isfinite(end) else end for cell, end in cells}


def as_csv(table: Table) -> str:
    """All columns that any row has, in the order of their first appearance."""
    names = list(dict.fromkeys(name for row in table.raw for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _csv_cell(value) for name, value in row.items()} for row in table.raw)
    return text.getvalue()


def _csv_cell(value: object) -> object:
    """The value; a text that a spreadsheet would take for a formula, and run, gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def as_markdown(table: Table) -> str:
    """A pipe table."""
    rule = [":--" if left else "--:" for left in table.left]
    lines = [table.headings, rule, *([_in_a_line(cell).replace("|", "\\|") for cell in row] for row in table.rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_latex(table: Table) -> str:
    r"""A booktabs table: \input it after \usepackage{booktabs}, and longtable for a long one. Remarks become notes."""
    remarked = table.headings[-1] == REMARKS
    notes = list(dict.fromkeys(row[-1] for row in table.rows if remarked and row[-1]))
    columns = "".join("l" if left else "r" for left in table.left)[: -1 if remarked else None]
    head = _tex_row(table.headings[: len(columns)])
    rows = "".join(
        _tex_row(row[: len(columns)], _mark(notes.index(row[-1])) if remarked and row[-1] else "") for row in table.rows
    )
    lines = "".join(f"\n\\par{{\\footnotesize{_mark(index)} {_tex(note)}}}" for index, note in enumerate(notes))
    if len(table.rows) < LONG:
        body = f"\\toprule\n{head}\\midrule\n{rows}\\bottomrule\n"
        return f"\\begin{{tabular}}{{{columns}}}\n{body}\\end{{tabular}}{lines}\n"
    body = f"\\toprule\n{head}\\midrule\n\\endhead\n\\bottomrule\n\\endfoot\n{rows}"
    return f"\\begin{{longtable}}{{{columns}}}\n{body}\\end{{longtable}}{lines}\n"


def _tex(text: str) -> str:
    return "".join(TEX.get(letter, letter) for letter in _in_a_line(text))


def _in_a_line(text: str) -> str:
    return text.replace("\n", " ").replace("\t", " ")


def _mark(index: int) -> str:
    return f"$^{{{index + 1}}}$"


def _tex_row(cells: Sequence[str], mark: str = "") -> str:
    r"""A row. It never begins with [ or *, which LaTeX would read as an argument of the \\ before it."""
    row = " & ".join(_tex(cell) for cell in cells) + mark
    return ("{}" if row.startswith(("[", "*")) else "") + row + r" \\" + "\n"
