"""Give each point of a plan the key of what it reads, once it is known that all of it is there."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from benchmark.dispatch.ledger import GridPoint, grid_point
from benchmark.execution.fingerprint import fingerprint
from benchmark.execution.identity import Read, contents, with_contents
from benchmark.models.checkpoint import BUILTIN
from benchmark.store.record_index import RecordIndex
from benchmark.sweep.plan import Plan
from crossover.records.record import Record
from crossover.records.run import Run
from crossover.records.settings import Model

WeightsHash = Callable[[Model], str | None]


def identified(planned: Plan, records: RecordIndex, *, take_older: bool) -> Plan:
    """The plan, each point that can be run with the contents of what it reads in its key.

    Records from before there were contents keep their points, if asked: they hold a hash of their weights, and what
    comes with the program is known by its name.

    Raises:
        UserError: when something that a point reads cannot be read.
    """
    if take_older:
        records.refresh({point.key for point in planned.dispatched})
    weights_hash = cache(lambda model: fingerprint(model, None).weights_sha256)
    read = cache(contents)
    return replace(planned, points=tuple(_identified(point, records, weights_hash, read) for point in planned.points))


def _identified(point: GridPoint, records: RecordIndex, weights_hash: WeightsHash, read: Read) -> GridPoint:
    if point.run.infeasible or any(_is_of(point.run, record, weights_hash) for record in records.of({point.key})):
        return point
    return grid_point(with_contents(point.run, read), point.overrides, point.config)


def _is_of(run: Run, record: Record, weights_hash: WeightsHash) -> bool:
    """Whether an older record read what this run reads, as far as both can tell."""
    sources = [run.prompts.source, *(each.checkpoint for each in (run.judge, run.encoder) if each is not None)]
    known = None if record.fingerprint is None else record.fingerprint.weights_sha256
    comes_with_us = all(source.startswith(BUILTIN) for source in sources)
    return record.measurement is not None and comes_with_us and known is not None and known == weights_hash(run.model)
