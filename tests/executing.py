"""Runs of the pipeline, and how they ended."""

from benchmark.execution.model_cache import ModelCache
from benchmark.execution.pipeline import execute
from benchmark.util.progress import Stage
from crossover.records.record import Failure, Measurement, Record
from crossover.records.run import Run


def run_it(run: Run, models: ModelCache | None = None) -> Record:
    return execute(run, sweep="sweep-1", models=models or ModelCache(), report=ignore)


def measurement(run: Run) -> Measurement:
    record = run_it(run)
    assert record.failure is None
    assert record.measurement is not None
    return record.measurement


def failure(run: Run, models: ModelCache | None = None) -> Failure:
    record = run_it(run, models)
    assert record.measurement is None
    assert record.failure is not None
    return record.failure


def ignore(_stage: Stage, _done: int, _total: int) -> None:
    """Nobody watches."""
