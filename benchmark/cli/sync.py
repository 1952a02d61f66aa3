"""`python -m benchmark.sync OUTPUT_DIR [tracking=...]`: bring an MLflow store to the state of the journal."""

from collections.abc import Sequence
from pathlib import Path

from benchmark.cli.messages import complaint
from benchmark.config.convert import config_of, of_folder, to_settings
from benchmark.store.journal import Journal
from benchmark.store.mlflow_sync import sync
from benchmark.store.open import make_tracker
from crossover.command_line import Parser
from crossover.errors import UserError
from crossover.outlet import require_working_folder
from crossover.terminal import ending_in_one_line, make_console, say


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program; what goes wrong becomes one line and an exit code."""
    parser = Parser(prog="python -m benchmark.sync", description="Bring MLflow to the journal's state.")
    parser.add_argument("folder", type=Path, metavar="OUTPUT_DIR", help="output_dir of the benchmark")
    parser.add_argument(
        "tracking", nargs="*", default=[], metavar="tracking=NAME", help="as for python -m benchmark; [tracking=local]"
    )
    options = parser.parse_args(arguments)
    with ending_in_one_line(complaint):
        require_working_folder()
        sync_folder(options.folder, options.tracking)


def sync_folder(folder: Path, overrides: Sequence[str]) -> None:
    """Synchronise one output_dir and say what changed.

    Raises:
        UserError: when there is no journal, no store, or the store does not answer.
        SystemExit: with 1 when the store did not take everything.
    """
    if strange := [text for text in overrides if not text.startswith(("tracking=", "tracking."))]:
        raise UserError(f"{strange[0]!r} cannot be set here: give tracking=... or keys of it, such as tracking.uri=...")
    journal = Journal(output_dir=folder.absolute())
    if not journal.folder.is_dir():
        raise UserError(f"{folder} has no records: give the output_dir of a run")
    tracker = make_tracker(to_settings(config_of([of_folder(folder), *overrides])))
    if tracker is None:
        raise UserError("tracking=none has no store: give tracking=local, or tracking=server tracking.uri=...")
    console = make_console()
    with console.status("looking into the store") as status:
        tracker.prepare()
        synced = sync(journal, tracker, progress=lambda done, total: status.update(f"logging {done + 1}/{total}"))
    say(console, *(f"left out: {name}.json is no record" for name in synced.unreadable))
    say(console, f"{synced.line() or 'nothing to do'}; {synced.kept} were there")
    if synced.left or synced.reason:
        raise SystemExit(1)
