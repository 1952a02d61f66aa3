"""What a table shows on a terminal."""

import io

from rich.console import Console

from analysis.report.terminal_table import table
from crossover.records.record import Record
from crossover.terminal import PLAIN_WIDTH


def lines(*records: Record) -> list[list[str]]:
    console = Console(file=io.StringIO(), width=PLAIN_WIDTH)
    with console.capture() as captured:
        console.print(table(records))
    return [line.split() for line in captured.get().splitlines() if line.strip()]
