"""A run's identity is what it reads, not what that is called: hashes of its checkpoints and its prompts."""

from collections.abc import Callable
from dataclasses import replace

from benchmark.decoders.prompts import locate
from benchmark.models.checkpoint import architecture_folder, resolve
from benchmark.models.content import checkpoint_content, file_content, text_content
from benchmark.quality import bertscore
from benchmark.quality.judge_folder import locate_judge
from benchmark.tasks.chat import template_of
from benchmark.tasks.harness_tasks import harness_prompts, is_harness_task
from crossover.errors import UserError
from crossover.records.run import Run
from crossover.records.settings import Encoder, Judge, Model, Prompts, Weights

Contents = tuple[Model, Prompts, Judge | None, Encoder | None]
Read = Callable[[Model, Weights, Prompts, Judge | None, Encoder | None], Contents]
"""What hashes everything that a run reads, now or once for all runs that read the same."""


def contents(
    model: Model, weights: Weights, prompts: Prompts, judge: Judge | None, encoder: Encoder | None
) -> Contents:
    """All that a run reads, each with its hash.

    Raises:
        UserError: when something is not there or cannot be read.
    """
    return (
        replace(model, content=_of_model(model, weights)),
        prompts if weights is Weights.random else _read_prompts(prompts, model),
        None if judge is None else read_judge(judge),
        None if encoder is None else read_encoder(encoder),
    )


def with_contents(run: Run, read: Read = contents) -> Run:
    """The run with the hash of everything that it reads.

    Raises:
        UserError: when something is not there or cannot be read.
    """
    model, prompts, judge, encoder = read(run.model, run.weights, run.prompts, run.judge, run.encoder)
    return replace(run, model=model, prompts=prompts, judge=judge, encoder=encoder)


def require_contents(run: Run) -> None:
    """Make sure that a run still reads what its key says.

    Raises:
        UserError: naming what has changed since the sweep began.
    """
    now = with_contents(run)
    for name, before, after in (
        (f"the checkpoint {run.model.checkpoint}", run.model, now.model),
        (f"prompts.source={run.prompts.source}", run.prompts, now.prompts),
        ("the judge's checkpoint", run.judge, now.judge),
        ("the encoder's checkpoint", run.encoder, now.encoder),
    ):
        if before != after:
            raise UserError(f"{name} has changed since this sweep began: give the command again, as a new sweep")


def _of_model(model: Model, weights: Weights) -> str:
    if weights is Weights.random:
        return file_content(architecture_folder(model.architecture, model.checkpoint, model.revision) / "config.json")
    return checkpoint_content(resolve(model.checkpoint, model.revision))


def _read_prompts(prompts: Prompts, model: Model) -> Prompts:
    content = _harness_content(prompts) if is_harness_task(prompts.source) else file_content(locate(prompts.source))
    if prompts.shots is not None:
        content = text_content(f"{content} {file_content(locate(prompts.shots))}")
    template = text_content(str(template_of(resolve(model.checkpoint, model.revision)))) if prompts.chat else None
    return replace(prompts, content=content, template=template)


def _harness_content(prompts: Prompts) -> str:
    """Of a harness's task: what it asks and what is right, and not the files that say so."""
    asked = harness_prompts(prompts.source, prompts.count)
    return text_content(repr([(each.text, each.question.answers, each.question.rule) for each in asked]))


def read_judge(judge: Judge) -> Judge:
    """The judge with the hash of its checkpoint."""
    return replace(judge, content=checkpoint_content(locate_judge(judge)))


def read_encoder(encoder: Encoder) -> Encoder:
    """The encoder with the hash of its checkpoint."""
    return replace(encoder, content=checkpoint_content(bertscore.locate(encoder)))
