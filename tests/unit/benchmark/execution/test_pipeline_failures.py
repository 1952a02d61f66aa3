import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmark.execution.model_cache import LoadedModel, ModelCache
from crossover.errors import UserError
from crossover.records.record import Failure, FailureKind
from crossover.records.run import Run
from tests.checkpoints import (
    HIDDEN,
    llama_settings,
    llama_tensors,
    write_checkpoint,
)
from tests.executing import failure, measurement, run_it
from tests.factories import a_diffusion, a_run


class BrokenCache(ModelCache):
    """A models on which every model falls over."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    def get(self, run: Run) -> LoadedModel:  # noqa: ARG002
        raise self._error


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError("Tried to allocate"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_running_out_of_memory_is_a_result(error: Exception) -> None:
    failed = failure(a_run(), BrokenCache(error))
    assert failed == Failure(kind=FailureKind.out_of_memory, message=f"{type(error).__name__}: {error}")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KeyboardInterrupt(), Failure(kind=FailureKind.interrupted, message="interrupted from the keyboard")),
        (UserError("mend this"), Failure(kind=FailureKind.error, message="mend this")),
        (ZeroDivisionError("our own"), Failure(kind=FailureKind.error, message="ZeroDivisionError: our own")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_goes_wrong_ends_in_a_record(error: BaseException, expected: Failure) -> None:
    assert failure(a_run(), BrokenCache(error)) == expected


def test_an_error_of_our_own_leaves_its_traceback_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        failure(a_run(), BrokenCache(ZeroDivisionError("our own")))
    assert "ZeroDivisionError: our own" in caplog.text
    assert "Traceback" in caplog.text


def test_a_failure_still_knows_its_environment_and_its_times() -> None:
    record = run_it(a_run(), BrokenCache(MemoryError()))
    assert record.environment is not None
    assert record.started_at <= record.finished_at


def test_an_infeasible_run_loads_no_model() -> None:
    run = a_run(diffusion=a_diffusion(steps=9))
    failed = failure(run, BrokenCache(AssertionError("a model was asked for")))
    assert failed == Failure(kind=FailureKind.infeasible, message=str(run.infeasible))


def with_too_few_documents(run: Run) -> Run:
    return replace(run, prompts=replace(run.prompts, count=4))


def with_a_longer_context_than_its_checkpoints(run: Run) -> Run:
    return replace(run, model=replace(run.model, context=200), length=100)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_too_few_documents, "holds 3 documents of at least 16 tokens and this run needs 4"),
        (with_a_longer_context_than_its_checkpoints, "length=100 is more than the checkpoint's context of 64"),
    ],
)
def test_what_only_shows_when_the_model_is_there_is_infeasible_too(
    autoregressive: Run, change: Callable[[Run], Run], message: str
) -> None:
    failed = failure(change(autoregressive))
    assert failed.kind is FailureKind.infeasible
    assert message in failed.message


def test_a_checkpoint_that_is_not_there_is_an_error_in_the_users_words(autoregressive: Run) -> None:
    failed = failure(replace(autoregressive, model=replace(autoregressive.model, checkpoint="./nowhere")))
    assert failed.kind is FailureKind.error
    assert failed.message.startswith("checkpoint './nowhere': there is no such folder")


def test_a_model_whose_weights_are_not_finite_makes_its_run_invalid(autoregressive: Run, tmp_path: Path) -> None:
    tensors = llama_tensors() | {"model.norm.weight": torch.full((HIDDEN,), torch.inf)}
    folder = write_checkpoint(tmp_path / "broken", llama_settings(), tensors)
    failed = failure(replace(autoregressive, model=replace(autoregressive.model, checkpoint=str(folder))))
    assert failed.kind is FailureKind.invalid
    assert (
        "model.safetensors holds numbers that are not finite (NaN or infinity) in model.norm.weight" in failed.message
    )


def test_a_judge_that_fails_takes_its_own_figures_along_and_not_the_measurement(diffusion: Run) -> None:
    judge: Any = replace(a_run().judge, checkpoint="./nowhere")  # type: ignore[type-var]
    measured = measurement(replace(diffusion, judge=judge))
    assert "checkpoint './nowhere'" in str(measured.quality_failure)
    assert all(score.nll_nats is None and score.text_bytes is not None for score in measured.scores)
    assert len(measured.samples) == diffusion.samples
