"""Records for the points of a sweep whose job ended without writing one.

The driver writes them while it waits, and so do the next command and `python -m benchmark.status --reconcile`. Two
programs that do so at once write the same file, and one of them is refused. Status without `--reconcile` writes
nothing, and shows what they would write.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmark.dispatch.batches import PointBatch, find_batches
from benchmark.dispatch.claims import Claims
from benchmark.dispatch.ledger import Sweep, SweepReader
from benchmark.dispatch.point_status import JobStatus, PointStatus, job_log, last_owner, point_statuses
from benchmark.dispatch.resume import resume_policy
from benchmark.slurm.client import Slurm
from benchmark.slurm.job_state import JobState
from benchmark.store.journal import Journal
from benchmark.store.record_index import RecordIndex
from benchmark.util.logs import tail
from crossover.records.record import Failure, Record


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """Indices of the points that a dead process left: those that got a record now, and those that it never began."""

    recorded: list[int]
    untried: list[int]


def reconcile(sweep: Sweep, slurm: Slurm, records: RecordIndex) -> list[PointStatus]:
    """Write the missing records of jobs that are over; close a sweep of which no point is under way.

    One with a damaged batch stays open, since its jobs may still begin.
    """
    statuses = point_statuses(sweep, slurm)
    for record in left_out(sweep, statuses, records):
        _write(record, records.journal)
    if not any(each.is_live for each in statuses) and not find_batches(sweep).damaged:
        sweep.close()
    return statuses


def left_out(sweep: Sweep, statuses: Sequence[PointStatus], records: RecordIndex) -> list[Record]:
    """The records that the jobs of these points should have written and did not; they are not written here either."""
    failed = [each for each in statuses if not each.is_live and each.failure is not None]
    keys = {each.point.key for each in failed}
    if not keys:
        return []
    records.refresh(keys)
    recorded = {record.replicate_key for record in records.of(keys) if _is_of(record, sweep)}
    return [_record(sweep, each) for each in failed if each.point.replicate_key not in recorded]


def reconcile_all(sweeps: SweepReader, slurm: Slurm, records: RecordIndex, *, besides: str = "") -> list[PointStatus]:
    """Reconcile every open sweep except one. Returns the points that are under way."""
    statuses = [each for sweep in sweeps.open(besides=besides) for each in reconcile(sweep, slurm, records)]
    return [each for each in statuses if each.is_live]


def reconcile_process(
    sweep: Sweep, batch: PointBatch, task: int, state: JobState, log: Path, records: RecordIndex
) -> Leftover:
    """Write the missing records of a process of this machine that ended in this state.

    Only its driver knows the state, so the driver calls this at once. A process that died before it claimed a point
    left no other trace: then all its points get the record, since the next process would die in the same way. Points
    after the one at which it died can still be run. A point that another process is measuring, or has measured
    meanwhile, gets no record here.
    """
    claims = Claims(Path(sweep.output_dir))
    indices = batch.tasks[task]
    begun = [index for index in indices if last_owner(sweep, sweep.entries[index], claims) is not None]
    missing = _missing(sweep, indices, claims, records)
    recorded = [index for index in missing if index in begun or not begun]
    for index in recorded:
        _write_end(sweep, index, f"a process on {batch.host}", batch.at, state, log, records.journal)
    return Leftover(recorded=recorded, untried=[index for index in missing if index not in recorded])


def begun_by(sweep: Sweep, indices: Sequence[int], pid: int) -> list[int]:
    """Those points that a process of this machine has claimed for this sweep, whoever has them now."""
    claims = Claims(Path(sweep.output_dir))
    owners = {index: claims.owners(sweep.entries[index].replicate_key) for index in indices}
    return [index for index in indices if any(each.sweep == sweep.id and each.pid == pid for each in owners[index])]


def reconcile_worker(
    sweep: Sweep, indices: Sequence[int], pid: int, state: JobState, log: Path, records: RecordIndex
) -> list[int]:
    """Write the missing record of the point at which a process of this machine ended in this state.

    Other processes may be at points of the same task, and one may have taken this point over. Returns the index of the
    point, if there is one.
    """
    claims = Claims(Path(sweep.output_dir))
    missing = _missing(sweep, indices, claims, records)
    last = {index: last_owner(sweep, sweep.entries[index], claims) for index in missing}
    recorded = [index for index, owner in last.items() if owner is not None and owner.pid == pid]
    for index in recorded:
        _write_end(sweep, index, f"process {pid}", "", state, log, records.journal)
    return recorded


def _write_end(sweep: Sweep, index: int, who: str, at: str, state: JobState, log: Path, journal: Journal) -> None:
    """Write the record of the point at which a process ended in this state."""
    kind, words = state.failure
    status = PointStatus(
        index=index,
        point=sweep.entries[index],
        at=at,
        who=who,
        job_status=JobStatus.over,
        failure=Failure(kind=kind, message=words),
    )
    _write(_record(sweep, status, log), journal)


def _missing(sweep: Sweep, indices: Sequence[int], claims: Claims, records: RecordIndex) -> list[int]:
    """Those indices whose point has no record that counts, and that no process is measuring."""
    keys = {sweep.entries[index].key for index in indices}
    records.refresh(keys)
    recorded = resume_policy(sweep).outcomes(records.of(keys))
    wanted = {index: sweep.entries[index].replicate_key for index in indices}
    return [index for index, key in wanted.items() if key not in recorded and claims.holder(key) is None]


def _is_of(record: Record, sweep: Sweep) -> bool:
    return record.sweep == sweep.id


def _write(record: Record, journal: Journal) -> None:
    with suppress(FileExistsError):
        journal.write(record)


def _record(sweep: Sweep, status: PointStatus, log: Path | None = None) -> Record:
    """The record that a job did not write. Its start is the claim's, so that two writers name the same file."""
    point, failure = status.point, status.failure
    assert failure is not None
    logs = [log or job_log(sweep, status.job), sweep.log(status.index)]
    ends = [end for log in logs if (end := tail(log)) is not None]
    last = last_owner(sweep, point, Claims(Path(sweep.output_dir)))
    began = status.at if last is None else last.since
    return Record(
        key=point.key,
        name=point.name,
        sweep=sweep.id,
        started_at=began,
        finished_at=began,
        run=point.run,
        environment=None,
        measurement=None,
        failure=Failure(kind=failure.kind, message=failure.message, log_tail="\n".join(ends) or None),
        replicate=point.replicate,
    )
