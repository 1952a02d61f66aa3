"""The command line: one Hydra job is one grid point, from its configuration to its record's path."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from analysis.load import load
from analysis.table import make_console
from benchmark.complaints import complaint
from benchmark.config import CONF, Settings, to_config, to_run, to_settings
from benchmark.environment import gpu_count
from benchmark.errors import UserError
from benchmark.record import FailureKind
from benchmark.run import Run
from benchmark.schema import register
from benchmark.screen import RunDisplay, conclude, finished, title
from benchmark.sinks.journal import Journal
from benchmark.sweep import INTERRUPTED, Point, exit_code, plan
from benchmark.usage import usage

register()

USAGE_ERROR = 2


@hydra.main(config_path=str(CONF), config_name="config", version_base="1.3")
def grid_point(composed: DictConfig) -> str:
    """Run one grid point. Returns the path of its record, which says how it ended."""
    if HydraConfig.get().mode is RunMode.MULTIRUN:
        return str(run_and_record(*_read(composed)))
    try:
        return _single(*_read(composed))
    except (UserError, OmegaConfBaseException) as error:
        complain(error)  # here, because Hydra would print a line of its own first


def run_and_record(run: Run, settings: Settings) -> Path:
    """Execute `run` with its progress on the screen; journal first, then tracking.

    Raises:
        KeyboardInterrupt: when the run was interrupted, after its record is on disk.
    """
    with _uninterrupted():
        from benchmark.pipeline import execute
        from benchmark.preflight import make_tracker
        from benchmark.shelf import SHELF  # torch and transformers, which --help does without

    console = make_console()
    heading = title(settings.index, settings.size, run.name)
    with RunDisplay(console, heading) as display:
        record = execute(run, sweep=settings.sweep, shelf=SHELF, report=display.report, config=settings.composed)
        path = Journal(output_dir=settings.output_dir).write(record)
    tracker = make_tracker(settings)
    if tracker and (problem := tracker.log(record)):
        console.print(f"MLflow did not take {run.name} ({problem}); its record is safe: {path}", markup=False)
    finished(console, heading, record)
    log = Path(HydraConfig.get().runtime.output_dir) / "job.log"
    if record.failure is not None and log.is_file():
        console.print(f"  its log: {log}", markup=False, highlight=False, soft_wrap=True)
    if record.failure is not None and record.failure.kind is FailureKind.interrupted:
        raise KeyboardInterrupt
    return path


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C back for a moment: some libraries swallow it while they are imported."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _read(composed: DictConfig) -> tuple[Run, Settings]:
    config = to_config(composed)
    return to_run(config, gpu_count), to_settings(config)


def _single(run: Run, settings: Settings) -> str:
    from benchmark.preflight import preflight

    if settings.dry_run:
        from benchmark.conduct import dry_run

        dry_run(make_console(), plan([Point(run=run, overrides=())]), remote=settings.remote)
        return ""
    with make_console().status("checking checkpoints and the tracking store"):
        tracker = preflight([run], settings)
    path = run_and_record(run, settings)
    records = load([path]).records
    conclude(make_console(), records, settings.output_dir, tracker)
    if code := exit_code(records, expected=1):
        raise SystemExit(code)
    return str(path)


def complain(error: Exception) -> NoReturn:
    """End with one line on stderr; an error that is no user's to mend goes on as it is."""
    line = complaint(error)
    if line is None:
        raise error
    make_console(stderr=True).print(f"error: {line}", markup=False, highlight=False, soft_wrap=True)
    raise SystemExit(USAGE_ERROR) from error


def main() -> None:
    """Run the program; what goes wrong becomes one line and an exit code."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        make_console().print(usage(), markup=False, highlight=False, soft_wrap=True)
        return
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra hands its errors on instead of printing them
    try:
        grid_point()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # whoever read the output has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:  # noqa: BLE001 (to be looked at, and raised again unless it is understood)
        complain(error)
