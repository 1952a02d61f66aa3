"""Which runs a command shows, and in what order: conditions on the columns that `table --format csv` has."""

import difflib
import operator
import re
from collections.abc import Callable, Mapping, Sequence

from analysis.report.grid_table import raw_row
from analysis.report.points import Point
from crossover.errors import UserError
from crossover.records.record import Record

CONDITION = re.compile(r"(?P<column>[^<>=!]+?)\s*(?P<sign><=|>=|!=|=|<|>)\s*(?P<value>.*)")
SIGNS: dict[str, Callable[[float | str, float | str], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
"""Both sides are numbers, or both are words."""

Columns = Mapping[str, object]
"""A run's settings and metrics by name; None where it has none."""


def columns(record: Record) -> Columns:
    """What conditions and other programs see of a run."""
    return raw_row(Point(record))


def selected(records: Sequence[Record], conditions: Sequence[str]) -> list[Record]:
    """The records of which all conditions hold. A run without a value in a column fails each condition on it.

    Raises:
        UserError: when a condition cannot be read, names no column, or no record is left.
    """
    if not conditions:
        return list(records)
    rows = [columns(record) for record in records]
    kept = list(zip(records, rows, strict=True))
    for condition in conditions:
        name, holds = _read(condition, rows)
        kept = [(record, row) for record, row in kept if holds(row.get(name))]
    if not kept:
        raise UserError(f"--where {' and '.join(conditions)}: no run is so; --format csv shows what there is")
    return [record for record, _ in kept]


def ordered(records: Sequence[Record], name: str | None, *, largest_first: bool = False) -> list[Record]:
    """The records by a column, those without a value last; as they came without a name.

    Raises:
        UserError: when there is no such column.
    """
    if name is None:
        return list(reversed(records)) if largest_first else list(records)
    rows = {id(record): columns(record) for record in records}
    _check(name, list(rows.values()))
    known = [record for record in records if rows[id(record)].get(name) is not None]
    values = {id(record): rows[id(record)][name] for record in known}
    are_numbers = all(isinstance(value, int | float) for value in values.values())
    key = operator.itemgetter(0)
    pairs = [(values[id(record)] if are_numbers else str(values[id(record)]), record) for record in known]
    return [record for _, record in sorted(pairs, key=key, reverse=largest_first)] + [
        record for record in records if id(record) not in values
    ]


def _read(condition: str, rows: Sequence[Columns]) -> tuple[str, Callable[[object], bool]]:
    """The column of a condition, and whether a value meets it."""
    read = CONDITION.fullmatch(condition.strip())
    if read is None:
        raise UserError(f"--where {condition!r} cannot be read: write COLUMN=VALUE, with =, !=, <, >, <= or >=")
    name, sign, wanted = read["column"], SIGNS[read["sign"]], read["value"]
    _check(name, rows)

    def holds(value: object) -> bool:
        if value is None:
            return False
        if isinstance(value, bool) or not isinstance(value, int | float):
            return sign(str(value), wanted)
        try:
            return sign(value, float(wanted))
        except ValueError:
            raise UserError(f"--where {condition!r}: {name} is a number, and {wanted!r} is none") from None

    return name, holds


def _check(name: str, rows: Sequence[Columns]) -> None:
    names = list(dict.fromkeys(each for row in rows for each in row))
    if name not in names:
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
        raise UserError(
            f"there is no column {name!r}: {' or '.join(close) or ', '.join(names)}; --format csv shows all"
        )
