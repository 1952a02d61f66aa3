"""Sweeps from Python: `crossover.run`."""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from benchmark.config.convert import config_of
from benchmark.dispatch.ledger import Sweep, SweepReader
from benchmark.util.child_python import python_command, safe_variables
from crossover.errors import UserError
from crossover.records.load import find, latest, load
from crossover.records.record import Record

NAME = "sweep.name"
ERROR = "error: "


def run(overrides: Sequence[str], *, quiet: bool = False) -> list[Record]:
    """Measure a grid and return its records, in the order of the grid.

    It is `python -m benchmark -m OVERRIDES` in a process of its own, so that nothing of this process disturbs a
    measurement. As there, points that were done before are not measured again, and their records are returned too.

    Args:
        overrides: as on the command line, e.g. `["model=tiny_llama,tiny_llada", "steps=4,16", "batch=1"]`.
        quiet: whether to print nothing meanwhile.

    Returns:
        The newest record of each point that has one: a measurement, or a failure with its reason. Nothing after
        `dry_run=true`.

    Raises:
        UserError: when the command line is not allowed; nothing was started then.
    """
    words = list(overrides)
    name = next((word.partition("=")[2] for word in reversed(words) if word.startswith(f"{NAME}=")), None)
    if name is None:
        name = f"python-{uuid4().hex[:8]}"
        words.append(f"{NAME}={name}")
    lines = _run(words, quiet=quiet)
    folder = _output_dir(words)
    sweeps = [each for each in SweepReader(folder).all() if re.fullmatch(rf"{re.escape(name)}-[\d-]+", each.id)]
    if sweeps:
        return _records(folder, sweeps[-1])
    if said := next((line for line in reversed(lines) if line.startswith(ERROR)), None):
        raise UserError(said.removeprefix(ERROR))
    return []


def _run(words: Sequence[str], *, quiet: bool) -> list[str]:
    """The lines that the program prints, shown as they come."""
    command = python_command("benchmark", "-m", *words)
    environment = os.environ | safe_variables()
    lines = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, text=True, errors="replace"
    ) as program:
        assert program.stdout is not None
        for line in program.stdout:
            lines.append(line.rstrip())
            if not quiet:
                print(line, end="", flush=True)  # noqa: T201 - a notebook shows what is printed
    return lines


def _output_dir(words: Sequence[str]) -> Path:
    given = [word for word in words if word.startswith("output_dir=")]
    return Path(config_of(given).output_dir)


def _records(folder: Path, sweep: Sweep) -> list[Record]:
    """The newest records of a sweep's points, in their order."""
    try:
        files = find(folder)
    except UserError:  # no point came to its record
        return []
    keys = {point.key for point in sweep.entries}
    newest = latest(load(file for file in files if file.name.startswith(tuple(keys))).records)
    by_key = {record.replicate_key: record for record in newest}
    return [by_key[point.replicate_key] for point in sweep.entries if point.replicate_key in by_key]
