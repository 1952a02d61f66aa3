"""Look at everything that a run needs before any run starts, so that bad input costs no time."""

from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from benchmark.config.settings import Settings
from benchmark.decoders.prompts import locate
from benchmark.decoders.prompts_check import check_prompts
from benchmark.decoders.questions import read_shots
from benchmark.hardware.environment import gpu_count
from benchmark.models.architecture import architecture_of
from benchmark.models.checkpoint import architecture_folder, read_config, require_tokenizer, resolve, weight_files
from benchmark.models.vocabulary import check_vocabularies
from benchmark.models.weights import check_checkpoint
from benchmark.quality import bertscore
from benchmark.quality.judge_folder import locate_judge
from benchmark.store.journal import Journal
from benchmark.store.mlflow_tracker import Tracker
from benchmark.store.open import make_tracker
from benchmark.tasks.harness_tasks import is_harness_task
from benchmark.util.importing import importing
from crossover.errors import UserError
from crossover.records.run import Run
from crossover.records.settings import Device, Engine, Family, Model, Weights

GB = 1e9
FLOAT32_PER_STORED = 2
"""Checkpoints store two bytes a weight; on a CPU they are computed with in four."""


def preflight(runs: Iterable[Run], settings: Settings, tell: Callable[[str], None]) -> Tracker | None:
    """Check checkpoints, prompts, the output folder and the tracking store; download what the hub has.

    `tell` hears what forbids nothing and is to be known.

    Returns:
        The tracking store, ready for records; None where none is wanted.

    Raises:
        UserError: at the first thing that is not there.
    """
    runs = list(runs)
    if not settings.remote and any(Device.cuda in _devices(run) for run in runs) and not gpu_count():
        raise UserError("this machine offers no CUDA GPU: use hardware=cpu or hardware=local, or a GPU machine")
    for source in dict.fromkeys(run.prompts.source for run in runs):
        if not is_harness_task(source):
            locate(source)
    for shots in dict.fromkeys(run.prompts.shots for run in runs if run.prompts.shots is not None):
        read_shots(shots)
    _check_architectures(run.model for run in runs if run.weights is Weights.random)
    _check_checkpoints(runs, settings)
    for remark in check_prompts(runs):
        tell(f"note: {remark}")
    for encoder in dict.fromkeys(run.encoder for run in runs if run.encoder is not None):
        bertscore.locate(encoder)
    Journal(output_dir=settings.output_dir).prepare()
    tracker = make_tracker(settings)
    if tracker is not None:
        _prepare(tracker)
    return tracker


def _check_checkpoints(runs: list[Run], settings: Settings) -> None:
    """Look at the checkpoints of arms, then of judges: an arm that is not there is said before its judge."""
    arms = [
        (run.model.checkpoint, run.model.revision, run.model.family, run.engine is Engine.compiled)
        for run in runs
        if run.weights is Weights.checkpoint
    ]
    judges = [
        (run.judge.checkpoint, run.judge.revision, Family.autoregressive, False)
        for run in runs
        if run.judge is not None
    ]
    for checkpoint, revision, _, _ in dict.fromkeys(arms):
        resolve(checkpoint, revision)
    for judge in dict.fromkeys(run.judge for run in runs if run.judge is not None):
        locate_judge(judge)
    for checkpoint, revision, family, compiled in dict.fromkeys(arms + judges):
        folder = resolve(checkpoint, revision)
        _check_memory(folder, runs, settings)
        check_checkpoint(folder, family, checkpoint, compiled=compiled)
        require_tokenizer(folder)
    if settings.shares_tokenizer:
        check_vocabularies(run.model for run in runs if run.weights is Weights.checkpoint)


def _check_architectures(models: Iterable[Model]) -> None:
    """Look at all that random weights need: a config.json of the right family."""
    for model in dict.fromkeys(models):
        folder = architecture_folder(model.architecture, model.checkpoint, model.revision)
        architecture_of(read_config(folder), model.family, str(folder))


def _check_memory(folder: Path, runs: list[Run], settings: Settings) -> None:
    """Refuse weights that this machine's memory cannot hold, before the kernel ends the program for it."""
    if settings.remote or any(run.device is Device.cuda for run in runs):
        return
    needed = sum(file.stat().st_size for file in weight_files(folder)) * FLOAT32_PER_STORED
    available = psutil.virtual_memory().available
    if needed > available:
        raise UserError(
            f"checkpoint {folder} takes {needed / GB:.0f} GB in float32 and {available / GB:.0f} GB of memory are free:"
            " use a machine with a CUDA GPU, or model=tiny_llada or tiny_llama"
        )


def _devices(run: Run) -> set[Device]:
    """Where a run's models live: its arm, its judge, its encoder."""
    scorers = [scorer for scorer in (run.judge, run.encoder) if scorer is not None]
    return {run.device, *(scorer.device or run.device for scorer in scorers)}


def _prepare(tracker: Tracker) -> None:
    try:
        with importing("mlflow"):
            tracker.prepare()
    except UserError as error:
        raise UserError(f"{error}, or use tracking=none and python -m benchmark.sync later") from error
