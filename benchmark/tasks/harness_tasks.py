"""Tasks of lm-evaluation-harness as prompts with answers: its documents, its examples, its filters and its measure.

Only tasks in which a model writes: one that ranks given answers has no text to time. The first of a task's filters and
the first of its measures count, as they stand in its definition.
"""

import logging
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from benchmark.tasks.question import Grade, cut
from crossover.errors import UserError, first_line

HARNESS = "lm_eval:"
"""How a source begins that is a task of the harness."""
FEW_SHOT_SEED = 1234
"""With which the harness draws examples, unless it is told another."""


@dataclass(frozen=True, kw_only=True)
class TaskQuestion:
    """See Gradable. `task` and `instance` are the harness's own."""

    answers: tuple[str, ...]
    rule: str
    stop: tuple[str, ...]
    task: Any
    instance: Any

    def grade(self, text: str) -> Grade:
        """See Gradable."""
        asked = copy(self.instance)
        asked.resps, asked.filtered_resps = [cut(text, self.stop)], {}
        ensemble = self.task._filters[0]  # noqa: SLF001 (the harness filters all texts or none)
        ensemble.apply([asked])
        answer = asked.filtered_resps[ensemble.name]
        measures = self.task.process_results(asked.doc, [answer])
        return Grade(correct=float(next(iter(measures.values()))), answer=str(answer))


@dataclass(frozen=True, kw_only=True)
class TaskPrompt:
    """A document of a task: its number, the prompt with its examples, and the answer."""

    number: int
    text: str
    question: TaskQuestion


def is_harness_task(source: str) -> bool:
    """Whether a source is a task of the harness."""
    return source.startswith(HARNESS)


@lru_cache(maxsize=4)
def harness_prompts(source: str, count: int) -> tuple[TaskPrompt, ...]:
    """The first `count` documents of a task, or all that there are.

    Raises:
        UserError: when the task is none, lets no model write, runs code, or its documents cannot be had.
    """
    name = source.removeprefix(HARNESS)
    task = _task(name)
    _check(name, task)
    try:
        task.set_fewshot_seed(seed=FEW_SHOT_SEED)
        task.build_all_requests(limit=count, rank=0, world_size=1)
        prompts = tuple(_prompts(name, task))
        if prompts:
            prompts[0].question.grade("")
    except Exception as error:  # a task's definition is a program and may raise anything
        raise UserError(f"tasks={name}: its definition cannot be used ({first_line(error)})") from error
    return prompts


def _task(name: str) -> Any:  # noqa: ANN401 (the harness's)
    try:
        from lm_eval.tasks import TaskManager
    except ImportError as error:
        raise UserError(
            f"tasks={name} needs lm-evaluation-harness ({first_line(error)}): pip install 'crossover-benchmark[tasks]'"
        ) from error
    for library in ("lm_eval", "huggingface_hub"):  # the second tells each failed attempt to reach the hub
        logging.getLogger(library).setLevel(logging.CRITICAL)
    is_file = name.endswith((".yaml", ".yml"))
    manager = TaskManager(include_defaults=not is_file)  # reading the thousands of its own takes seconds
    if not is_file and name not in manager.all_tasks:
        raise UserError(
            f"tasks={name}: the harness has no such task: lm_eval ls tasks lists them; or give a .yaml file"
        )
    try:
        loaded = manager.load(name)["tasks"]
    except Exception as error:  # of the hub, of a file, of a definition: the harness lets all of them through
        raise UserError(
            f"tasks={name}: its documents cannot be had ({first_line(error)}): a task whose data is on the hub needs"
            " the network, or the data in the hub's cache on this machine"
        ) from error
    if len(loaded) != 1:
        raise UserError(f"tasks={name} is a group of {len(loaded)} tasks: give one of {', '.join(list(loaded)[:5])}")
    (task,) = loaded.values()
    return task


def _check(name: str, task: Any) -> None:  # noqa: ANN401 (the harness's)
    if task.OUTPUT_TYPE != "generate_until":
        raise UserError(
            f"tasks={name} ranks given answers ({task.OUTPUT_TYPE}) and lets no model write, so that there is no text"
            f" to time: python -m benchmark.lm_eval --model crossover --tasks {name} evaluates it"
        )
    if task.config.unsafe_code:
        raise UserError(
            f"tasks={name} runs code that a model wrote: python -m benchmark.lm_eval --model crossover --tasks {name}"
            " --confirm_run_unsafe_code evaluates it"
        )


def _prompts(name: str, task: Any) -> Iterator[TaskPrompt]:  # noqa: ANN401 (the harness's)
    measure = next(iter(task.aggregation()))
    for instance in task.instances:
        context, settings = instance.args
        target = task.doc_to_target(instance.doc)
        until = settings.get("until") or []
        yield TaskPrompt(
            number=instance.doc_id,
            text=context,
            question=TaskQuestion(
                answers=tuple(map(str, target)) if isinstance(target, list) else (str(target),),
                rule=f"{HARNESS}{name} {measure}, {task._filters[0].name}",  # noqa: SLF001 (as above)
                stop=tuple([until] if isinstance(until, str) else filter(None, until)),
                task=task,
                instance=instance,
            ),
        )
