"""What a process that works on a sweep needs to know."""

from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmark.dispatch.ledger import Sweep
from benchmark.execution.display import title
from benchmark.store.journal import Journal
from benchmark.store.record_index import RecordIndex
from crossover.terminal import say


@dataclass(frozen=True, kw_only=True)
class SweepContext:
    """A sweep's ledger, the records that this process has read of it, and the console that it prints to."""

    sweep: Sweep
    records: RecordIndex
    console: Console

    def heading(self, index: int) -> str:
        """A point's name on the screen."""
        return title(index, len(self.sweep.entries), self.sweep.entries[index].title)

    def say(self, line: str) -> None:
        """Print a line as it is."""
        say(self.console, line)


def sweep_context(sweep: Sweep, console: Console) -> SweepContext:
    """The context of a process that has read no record so far."""
    records = RecordIndex(Journal(output_dir=Path(sweep.output_dir)))
    return SweepContext(sweep=sweep, records=records, console=console)
