"""Which grid points need to be run: those without a record that counts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from benchmark.config.settings import Rerun, Strictness
from benchmark.dispatch.ledger import ExpectedEnvironment, Sweep
from benchmark.hardware.environment import missing_words
from crossover.records.identifiers import record_name
from crossover.records.machine import Verdict
from crossover.records.record import Failure, FailureKind, Measurement, Record
from crossover.records.run import Run


@dataclass(frozen=True, kw_only=True)
class ResumePolicy:
    """Which records count as done for a sweep.

    Attributes:
        began: when the sweep began, UTC, ISO 8601.
        earlier: the names of the records that were there then; null in ledgers of earlier versions.
        cpu_threads: the threads that a point's record was computed with, by the point's key, where they are known.
        strict: which measurements count. With `on` the machine must be known to have been clean; with `retry` it must
            not have been disturbed.
    """

    sweep: str
    began: str
    rerun: Rerun
    skip_dominated: bool
    conditions: ExpectedEnvironment
    cpu_threads: Mapping[str, int] = field(default_factory=dict)
    earlier: frozenset[str] | None = None
    strict: Strictness = Strictness.off

    def is_new(self, record: Record) -> bool:
        """Whether a record was made since the sweep began, by this sweep or another.

        What was there when it began is not new, whatever the clock said: a clock may be set back. Scoring an older
        record again makes no new one.
        """
        if record.sweep == self.sweep:
            return True
        if self.earlier is None:
            return record.started_at >= self.began
        return record.rescored_from is None and record_name(record.replicate_key, record.started_at) not in self.earlier

    def is_done(self, record: Record) -> bool:
        """Whether a record makes another run of its grid point unnecessary.

        A measurement does, and so does a failure that is a result of the point. A point that was interrupted, killed,
        lost, out of time or raised an error is run again.
        """
        if not has_environment(record, self._conditions(record.key)):
            return False
        if record.measurement is not None:
            if not is_clean_enough(record.measurement, self.strict):
                return False
            return self.rerun is not Rerun.all or self.is_new(record)
        assert record.failure is not None
        if record.failure.kind is FailureKind.dominated and not self.skip_dominated:
            return False
        return record.failure.kind.is_result and (self.rerun is Rerun.none or self.is_new(record))

    def _conditions(self, key: str) -> ExpectedEnvironment:
        threads = self.cpu_threads.get(key)
        return self.conditions if threads is None else replace(self.conditions, cpu_threads=threads)

    def done(self, records: Iterable[Record]) -> dict[str, Record]:
        """By replicate's key, the record that counts as done: a measurement before a failure, then the newest."""
        newest: dict[str, Record] = {}
        for record in measured_last(records):
            if self.is_done(record):
                newest[record.replicate_key] = record
        return newest

    def outcomes(self, records: Iterable[Record]) -> dict[str, Record]:
        """By replicate's key, the record that counts, or else the newest that was made since the sweep began."""
        records = measured_last(records)
        return {each.replicate_key: each for each in records if self.is_new(each)} | self.done(records)


def measured_last(records: Iterable[Record]) -> list[Record]:
    """Failures, then measurements, each in the order of their start."""
    return sorted(records, key=lambda each: (each.measurement is not None, each.started_at))


def start_of(record: Record) -> tuple[str, str]:
    """Which of all records it is: of which replicate, and when it was begun."""
    return record.replicate_key, record.started_at


def is_clean_enough(measured: Measurement, strict: Strictness) -> bool:
    """Whether the machine was as undisturbed as was asked for."""
    verdict = None if measured.watched is None else measured.watched.verdict
    match strict:
        case Strictness.on:
            return verdict is Verdict.clean
        case Strictness.retry:
            return verdict is not Verdict.disturbed
        case Strictness.off:
            return True


def has_environment(record: Record, expected: ExpectedEnvironment) -> bool:
    """Whether a record was made in this environment, by all facts that both know."""
    environment = record.environment
    if environment is None:
        return True
    versions = (
        (expected.python, environment.python),
        (expected.torch, environment.torch),
        (expected.transformers, environment.transformers),
        (expected.crossover, environment.crossover),
        (expected.cpu, environment.cpu),
    )
    if any(wanted is not None and _plain(wanted) != _plain(recorded) for wanted, recorded in versions):
        return False
    if expected.cpu_threads is not None and expected.cpu_threads != environment.cpu_threads:
        return False
    return expected.gpu is None or environment.gpu is None or not missing_words(environment.gpu, expected.gpu)


def _plain(version: str) -> str:
    """A version without its build, which a package's metadata may leave out."""
    return version.partition("+")[0]


def dominated(run: Run, records: Iterable[Record]) -> Record | None:
    """A record of a smaller point of the same curve that ran out of memory, if there is one among these."""
    smaller = (record for record in records if is_larger(run, record.run))
    return next((each for each in smaller if each.failure and each.failure.kind is FailureKind.out_of_memory), None)


def is_larger(run: Run, other: Run) -> bool:
    """Whether `run` has a larger batch or length than `other`, neither is smaller, and all else is equal."""
    if run.batch < other.batch or run.length < other.length or (run.batch, run.length) == (other.batch, other.length):
        return False
    return _shapeless(run) == _shapeless(other)


def _shapeless(run: Run) -> Run:
    """The run without its batch and length, and without what follows them: a block or steps of all output tokens."""
    diffusion = run.diffusion
    if diffusion is not None and not diffusion.policy.has_steps:
        diffusion = replace(diffusion, steps=1)
    if diffusion is not None and diffusion.block_length == run.output_tokens:
        diffusion = replace(diffusion, block_length=1)
    return replace(run, batch=1, length=2, prompt_fraction=0.5, diffusion=diffusion)


def resume_policy(sweep: Sweep) -> ResumePolicy:
    """The resume policy of a sweep."""
    return ResumePolicy(
        sweep=sweep.id,
        began=sweep.began,
        rerun=sweep.rerun,
        skip_dominated=sweep.skip_dominated,
        conditions=sweep.conditions,
        earlier=None if sweep.earlier is None else frozenset(sweep.earlier),
        cpu_threads={each.key: each.cpu_threads for each in sweep.entries if each.cpu_threads is not None},
        strict=sweep.strict,
    )


def dominated_failure(smaller: Record) -> Failure:
    """The failure of a point that is dominated and so not run."""
    return Failure(
        kind=FailureKind.dominated,
        message=f"not run: {smaller.name} ran out of memory, and this point is larger (skip_dominated=true)",
    )


def unmeasured_record(run: Run, sweep: str, failure: Failure, started: datetime | None = None) -> Record:
    """The record of a run that was never measured."""
    now = datetime.now(UTC)
    return Record(
        key=run.key,
        name=run.name,
        sweep=sweep,
        started_at=(started or now).isoformat(),
        finished_at=now.isoformat(),
        run=run,
        environment=None,
        measurement=None,
        failure=failure,
    )
