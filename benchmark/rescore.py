"""`python -m benchmark.rescore OUTPUT_DIR judge=... encoder=...`: score stored texts again, generate nothing.

Each measured run of the folder becomes one more record, with the new judge or encoder in its run and so
with a key of its own; the record that it came from stays as it is. A scorer that is not named on the command line
keeps its scores. Each new record is logged to MLflow as a run's record is, with its origin as a tag; `tracking=` works
as for `python -m benchmark`.
"""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from analysis.statistics.metrics import metrics
from benchmark.cli.messages import complaint
from benchmark.config.convert import config_of, of_folder, to_encoder, to_judge, to_settings
from benchmark.config.judge_choice import chosen_judge
from benchmark.execution.identity import read_encoder, read_judge
from benchmark.hardware.environment import gpu_count
from benchmark.quality.backfill import complete
from benchmark.quality.human import human_scores, human_texts, judge_human
from benchmark.quality.score import Scorers, load_scorers, rescore
from benchmark.store.journal import Journal
from benchmark.store.mlflow_tracker import Tracker
from benchmark.store.open import make_tracker
from benchmark.util.progress import Report, Stage
from crossover.errors import UserError
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program; what goes wrong becomes one line and an exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmark.rescore", description="Score stored texts again.")
    parser.add_argument("folder", type=Path, metavar="OUTPUT_DIR", help="output_dir of the benchmark")
    parser.add_argument(
        "scorers",
        nargs="+",
        metavar="GROUP=NAME",
        help="judge=..., encoder=... and tracking=..., as for python -m benchmark",
    )
    options = parser.parse_args(arguments)
    with ending_in_one_line(complaint):
        request = to_request(options.scorers, options.folder)
        rescore_folder(options.folder, request, make_console())


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
    """
    journal = Journal(output_dir=folder)
    loaded = load(sorted(journal.folder.glob("*.json")))
    say(console, *(f"left out: {line}" for line in loaded.rejected))
    measured = [record for record in latest(loaded.records) if record.measurement is not None]
    for record in [record for record in measured if record.run.weights is Weights.random]:
        measured.remove(record)
        say(console, f"left out: {record.name}: random weights write no text")
    if not measured:
        raise UserError(f"{journal.folder} holds no measured records: give the output_dir of a run")
    request = identified(request)
    reruns = [(source, rerun(source.run, request)) for source in measured]
    reruns.sort(key=lambda pair: pair[0].rescored_from is None)  # the original comes last and counts
    planned = {
        journal.path(replicate_key(run.key, source.replicate), source.started_at): (source, run)
        for source, run in reruns
    }
    missing = [pair for path, pair in planned.items() if not path.exists()]
    if missing:
        _rescore(missing, request, journal, console)
    there = f", {len(planned) - len(missing)} were there already" if len(missing) < len(planned) else ""
    say(console, f"{len(missing)} records written to {journal.folder}{there}")


def identified(request: Request) -> Request:
    """The request whose scorers have the contents of their checkpoints, as those of a run have: so keys are equal.

    Raises:
        UserError: when a checkpoint is not there.
    """
    judge, encoder = request.judge, request.encoder
    return replace(request, judge=judge and read_judge(judge), encoder=encoder and read_encoder(encoder))


def rerun(run: Run, request: Request) -> Run:
    """The same run with these scorers."""
    if (judge := request.judge) is not None:
        run = replace(run, judge=replace(judge, device=judge.device or request.device))
    if (encoder := request.encoder) is not None:
        run = replace(run, encoder=replace(encoder, device=encoder.device or request.device))
    return run


def rescored(source: Record, run: Run, scorers: Scorers, report: Report) -> Record:
    """The record of `run`, which is that of `source` with other scorers."""
    assert source.measurement is not None
    measured = source.measurement
    scores = rescore(complete(measured, run.output_tokens), measured.generated, scorers, report)
    human = measured.human
    if scorers.judge is not None:
        human = judge_human(human_scores(measured), human_texts(measured.generated), scorers.judge, run.judge)
    return replace(
        source,
        key=run.key,
        run=run,
        measurement=replace(measured, scores=scores, human=human),
        rescored_from=record_name(source.replicate_key, source.started_at),
    )


def _rescore(missing: Sequence[tuple[Record, Run]], request: Request, journal: Journal, console: Console) -> None:
    with console.status("loading") as status:
        if request.tracker is not None:
            request.tracker.prepare()
        scorers = load_scorers(request.judge, request.encoder, request.device)
        for index, (source, run) in enumerate(missing):
            heading = f"[{index + 1}/{len(missing)}] {source.name}"

            def report(stage: Stage, done: int, total: int, heading: str = heading) -> None:
                status.update(escape(f"{heading}  {stage} {done + 1}/{total}"))

            record = rescored(source, run, scorers, report)
            try:
                path = journal.write(record)
            except ValueError as error:
                raise UserError(f"{source.name}: {error}: give another judge or encoder") from error
            if request.tracker and (problem := request.tracker.log(record, path)):
                say(console, f"MLflow did not take it ({problem}); its record is safe: {path}")
            values = metrics(record)
            figures = [text.format(values[name]) for name, text in SHOWN.items() if name in values]
            say(console, "  ".join([heading, *figures]))


if __name__ == "__main__":
    main()
