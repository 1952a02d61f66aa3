"""`python -m benchmark.rescore OUTPUT_DIR judge=... encoder=...`: score stored texts again, generate nothing.

Each measured run of the folder becomes one more record, with the new judge or encoder in its run and so
with a key of its own; the record that it came from stays as it is. A scorer that is not named on the command line
keeps its scores. Of two that are named, one that fails costs its own figures alone. Each new record is logged to MLflow
as a run's record is, with its origin as a tag; `tracking=` works as for `python -m benchmark`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.text import Text

from analysis.statistics.metrics import metrics
from benchmark.cli.messages import complaint
from benchmark.config.convert import config_of, of_folder, to_encoder, to_judge, to_settings
from benchmark.config.judge_choice import chosen_judge
from benchmark.execution.identity import read_encoder, read_judge
from benchmark.hardware.environment import gpu_count
from benchmark.quality.rescoring import Attempt, rescored
from benchmark.quality.score import Scorers, load_scorers
from benchmark.store.journal import Journal
from benchmark.store.mlflow_tracker import Tracker
from benchmark.store.open import make_tracker
from benchmark.util.progress import Report, Stage
from crossover.errors import UserError
from crossover.printable import printable
from crossover.records.identifiers import record_name
from crossover.records.load import latest, load
from crossover.records.record import Record, replicate_key
from crossover.records.run import Run
from crossover.records.settings import Device, Encoder, Judge, Weights
from crossover.terminal import ending_in_one_line, make_console, say

SHOWN = {"quality/perplexity": "perplexity {:.1f}", "quality/bertscore_f1": "BERTScore F1 {:.3f}"}


@dataclass(frozen=True, kw_only=True)
class Request:
    """The scorers to use, on their own device or else on `device`; None keeps the scores of the records.

    `tracker` is the MLflow store that the new records are logged to, if there is one.
    """

    judge: Judge | None
    encoder: Encoder | None
    device: Device
    tracker: Tracker | None = None

    @property
    def names(self) -> list[str]:
        """The scorers that are wanted."""
        return [name for name, scorer in (("judge", self.judge), ("encoder", self.encoder)) if scorer is not None]

    def only(self, *names: str) -> "Request":
        """The request for the scorers of these names."""
        judge, encoder = (self.judge if "judge" in names else None), (self.encoder if "encoder" in names else None)
        return replace(self, judge=judge, encoder=encoder)


def run(folder: Path, scorers: Sequence[str]) -> None:
    """Do what the command line asks; what goes wrong becomes one line and an exit code."""
    with ending_in_one_line(complaint):
        rescore_folder(folder, to_request(scorers, folder), make_console())


def to_request(overrides: Sequence[str], folder: Path) -> Request:
    """The scorers that the overrides name, and the tracking store: the folder's, unless the overrides name another.

    Raises:
        UserError: when they set something else, or no scorer.
    """
    if strange := [text for text in overrides if not re.match(r"(judge|encoder|tracking)(\.\w+)?=", text)]:
        raise UserError(
            f"{strange[0]!r} cannot be set here: give judge=... or encoder=..., or keys of theirs, and tracking=..."
        )
    config = config_of([of_folder(folder), *overrides])
    named = {text.partition("=")[0].partition(".")[0] for text in overrides}
    judge = to_judge(chosen_judge(config.judge, config.model)) if "judge" in named else None
    encoder = to_encoder(config.encoder) if "encoder" in named else None
    for group, scorer in (("judge", judge), ("encoder", encoder)):
        if group in named and scorer is None:
            raise UserError(f"{group}=none scores nothing: name one, or leave it out to keep the scores that are there")
    if judge is None and encoder is None:
        raise UserError("no scorer is named: give judge=... or encoder=...")
    device = Device.cuda if gpu_count() else Device.cpu
    return Request(judge=judge, encoder=encoder, device=device, tracker=make_tracker(to_settings(config)))


def rescore_folder(folder: Path, request: Request, console: Console) -> None:
    """Score the newest measurement of every run in the folder, a line each. Records that exist are not made again.

    Raises:
        UserError: when there is nothing to score, or no scorer to score it with.
        SystemExit: with 1 when one of two scorers failed.
    """
    journal, attempt = Journal(output_dir=folder), Attempt(partial(say, console))
    measured = _measured(journal, console)
    journal.prepare()
    request = attempt.each(request.names, request.only(), partial(_identified, request))
    missing, there = _missing(measured, request, journal)
    written = _rescore(missing, request, journal, attempt, console) if missing else 0
    there_already = f", {there} were there already" if there else ""
    say(console, f"{written} records written to {journal.folder}{there_already}")
    if attempt.has_failed:
        raise SystemExit(1)


def _measured(journal: Journal, console: Console) -> list[Record]:
    loaded = load(sorted(journal.folder.glob("*.json")))
    say(console, *(f"left out: {line}" for line in loaded.rejected))
    measured = [record for record in latest(loaded.records) if record.measurement is not None]
    for record in [record for record in measured if record.run.weights is Weights.random]:
        measured.remove(record)
        say(console, f"left out: {record.name}: random weights write no text")
    if not measured:
        raise UserError(f"{journal.folder} holds no measured records: give the output_dir of a run")
    return measured


def _identified(request: Request, known: Request, name: str) -> Request:
    """`known` with one scorer more, which has the content of its checkpoint as that of a run has: so keys are equal."""
    if name == "judge":
        return replace(known, judge=request.judge and read_judge(request.judge))
    return replace(known, encoder=request.encoder and read_encoder(request.encoder))


def _missing(measured: Sequence[Record], request: Request, journal: Journal) -> tuple[list[Record], int]:
    """The records that are to be scored, and the number of those that were."""
    ordered = sorted(measured, key=lambda record: record.rescored_from is None)  # the original comes last and counts
    planned = {
        journal.path(replicate_key(rerun(source.run, request).key, source.replicate), source.started_at): source
        for source in ordered
    }
    missing = [source for path, source in planned.items() if not path.exists()]
    return missing, len(planned) - len(missing)


def rerun(run: Run, request: Request) -> Run:
    """The same run with these scorers."""
    if (judge := request.judge) is not None:
        run = replace(run, judge=replace(judge, device=judge.device or request.device))
    if (encoder := request.encoder) is not None:
        run = replace(run, encoder=replace(encoder, device=encoder.device or request.device))
    return run


def _rescore(missing: Sequence[Record], request: Request, journal: Journal, attempt: Attempt, console: Console) -> int:
    """Score these records again. Returns the number of new ones."""
    with console.status("loading") as status:
        if request.tracker is not None:
            request.tracker.prepare()
        scorers = attempt.each(request.names, Scorers(), partial(_loaded, request))
        written = 0
        for index, source in enumerate(missing):
            heading = f"[{index + 1}/{len(missing)}] {source.name}"

            def report(stage: Stage, done: int, total: int, heading: str = heading) -> None:
                status.update(Text(printable(f"{heading}  {stage} {done + 1}/{total}")))

            record = attempt.each(scorers.names, source, partial(_scored, request, scorers, report))
            record = replace(record, rescored_from=record_name(source.replicate_key, source.started_at))
            if not journal.path(record.replicate_key, record.started_at).exists():
                _keep(record, request, journal, console)
                written += 1
            values = metrics(record)
            figures = [text.format(values[name]) for name, text in SHOWN.items() if name in values]
            say(console, "  ".join([heading, *figures]))
    return written


def _loaded(request: Request, scorers: Scorers, name: str) -> Scorers:
    """These scorers and one more."""
    one = request.only(name)
    loaded = load_scorers(one.judge, one.encoder, one.device)
    return Scorers(judge=loaded.judge or scorers.judge, encoder=loaded.encoder or scorers.encoder)


def _scored(request: Request, scorers: Scorers, report: Report, record: Record, name: str) -> Record:
    """The record with the figures of one scorer."""
    return rescored(record, rerun(record.run, request.only(name)), scorers.only(name), report)


def _keep(record: Record, request: Request, journal: Journal, console: Console) -> None:
    path = journal.write(record)
    if request.tracker and (problem := request.tracker.log(record, path)):
        say(console, f"MLflow did not take it ({problem}); its record is safe: {path}")
