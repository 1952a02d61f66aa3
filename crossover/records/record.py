"""What a run leaves behind: exactly one record, a measurement or a failure, as plain data and JSON."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from crossover.errors import UserError
from crossover.records.forwards import Forwards, TimedForwards
from crossover.records.identifiers import check_key, check_moment, record_name
from crossover.records.machine import Conditions, Environment, Label, Verdict, Watched
from crossover.records.profile import Limits, Profile
from crossover.records.run import Run
from crossover.records.staleness import Staleness
from crossover.records.structure import build_all
from crossover.records.texts import DocumentLikelihood, Generated, Score

SCHEMA = 1


class FailureKind(StrEnum):
    """Why a run ended without a measurement."""

    out_of_memory = "out_of_memory"
    infeasible = "infeasible"
    dominated = "dominated"
    interrupted = "interrupted"
    cancelled = "cancelled"
    killed = "killed"
    timeout = "timeout"
    preempted = "preempted"
    node_lost = "node_lost"
    lost = "lost"
    error = "error"
    invalid = "invalid"
    disturbed = "disturbed"

    @property
    def is_result(self) -> bool:
        """Whether it says something about the grid point, so that trying again would end the same way."""
        return self in {FailureKind.out_of_memory, FailureKind.infeasible, FailureKind.dominated}

    @property
    def words(self) -> str:
        """The kind as a reader sees it: out of memory."""
        return self.replace("_", " ")


class StoppedBy(StrEnum):
    """Why a run took no further sample: it had its fixed number, its precision, or no time left."""

    repeats = "repeats"
    precision = "precision"
    budget = "budget"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One timed generation of one batch.

    Attributes:
        latency_s: from prompts on the device to the last token of the last sequence, by the device's clock.
        host_latency_s: the same interval by the host's monotonic clock, as a cross-check.
        prefill_s: up to the first output token; null for diffusion.
        step_s: time of each later token (autoregressive) or of each step (diffusion), in order.
        prompts: indices into the run's prompts, one a row.
        valid_tokens: output tokens before the first end of sequence, one a row.
        labels: what was wrong with the machine meanwhile.
        conditions: what was read of it; null in records from before it was watched.
        forwards: what each step computed and wrote; null where the schedule says it, and in older records.
        timed: which forward passes were timed, where `latency_s` is composed from them; null where all were.
    """

    latency_s: float
    host_latency_s: float
    prefill_s: float | None
    step_s: tuple[float, ...]
    prompts: tuple[int, ...]
    valid_tokens: tuple[int, ...]
    labels: tuple[Label, ...] = ()
    conditions: Conditions | None = None
    forwards: Forwards | None = None
    timed: TimedForwards | None = None


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Peaks of one untimed generation, and the weights' share. What a device does not have is null."""

    weights_bytes: int
    max_reserved_bytes: int | None
    max_allocated_bytes: int | None
    max_resident_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Raw samples of a run that went through; statistics are left to the analysis.

    Attributes:
        forward_passes: evaluations of the model's body in one generation; where samples differ, their median.
        likelihood: of held-out text, one entry a document; empty when it was not asked for.
        preparing_s: seconds that compiling and capturing took, once for this shape; null in older records.
        fallback: why another engine ran than was asked for; null when none did.
        quality_failure: why the judge's or encoder's figures are missing; null when nothing failed.
        stopped_by: why there are no more samples; null in older records, as are all below.
        interval_share: width of the 95% interval of the median latency over the median; null under 6 samples.
        warmup_too_short: whether the first sample is an outlier on the slow side; null where too few say so.
        prompts_digest: hash of the documents that were decoded, in their order; equal for equal prompts.
        watched: the verdict on the machine during the samples.
        judged_until_end: whether texts and scores are of the tokens before the first end of sequence; in older records
            they are of all tokens.
        human: scores of the documents' true continuations, each of as many tokens as the outputs; empty in older
            records.
    """

    samples: tuple[Sample, ...]
    warmup_s: tuple[float, ...]
    memory: Memory
    forward_passes: int
    generated: tuple[Generated, ...]
    scores: tuple[Score, ...]
    likelihood: tuple[DocumentLikelihood, ...] = ()
    quality_failure: str | None = None
    preparing_s: float | None = None
    fallback: str | None = None
    stopped_by: StoppedBy | None = None
    interval_share: float | None = None
    warmup_too_short: bool | None = None
    prompts_digest: str | None = None
    watched: Watched | None = None
    limits: Limits | None = None
    profile: Profile | None = None
    staleness: Staleness | None = None
    judged_until_end: bool = False
    human: tuple[Score, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what measures nothing.

        Raises:
            ValueError: saying so.
        """
        if not self.samples:
            raise ValueError("Measurement: a measurement has at least one sample")


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What was expected before the run: its latency, and its peak memory (on a CPU without the interpreter's own).

    Where the text decides how many forward passes a run takes, `latency_s` is that of the most, `least_latency_s` that
    of the fewest; else the second is null.
    """

    latency_s: float
    peak_bytes: int
    least_latency_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A run that ended without a measurement, in a kind and its words; `log_tail` is the end of its job's log."""

    kind: FailureKind
    message: str
    log_tail: str | None = None

    @property
    def words(self) -> str:
        """The kind and its message in a line."""
        return f"{self.kind.words}: {' '.join(self.message.split())}"


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """What was asked for and of which weights. Unknown is null.

    Attributes:
        config: the configuration as composed, as JSON; passwords in addresses are left out.
        revision: the checkpoint's commit on the hub.
        weights_sha256: hash of the index of its weights, or of the header of its one file.
    """

    config: str | None = None
    revision: str | None = None
    weights_sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Record:
    """The single truth about one run. Times are UTC, ISO 8601.

    `rescored_from` names the record, as its file is named, whose stored text this one scored again;
    all but its scores, and who gave them, is that record's. `replicate` counts from 0 the processes that measured the
    same point; null in records of one process a point, which stand for the first. `attempt` counts from 1 the
    measurements of this process's point that one command made because the machine was disturbed; null where it was not
    told to make more than one.
    """

    schema: int = SCHEMA
    key: str
    name: str
    sweep: str
    started_at: str
    finished_at: str
    run: Run
    environment: Environment | None
    measurement: Measurement | None
    failure: Failure | None
    rescored_from: str | None = None
    fingerprint: Fingerprint | None = None
    prediction: Prediction | None = None
    replicate: int | None = None
    attempt: int | None = None

    def __post_init__(self) -> None:
        """Refuse what is neither or both, and what no file can be named by.

        Raises:
            ValueError: saying so.
        """
        check_key(self.key)
        check_moment("started_at", self.started_at)
        check_moment("finished_at", self.finished_at)
        if (self.measurement is None) == (self.failure is None):
            raise ValueError("Record: a record holds a measurement or a failure, never both and never neither")

    @property
    def origin(self) -> str:
        """The record of the run whose text this one scores, as its file is named: this one, unless it was rescored."""
        return self.rescored_from or record_name(self.replicate_key, self.started_at)

    @property
    def replicate_key(self) -> str:
        """What this record counts for: its run's key, and its replicate."""
        return replicate_key(self.key, self.replicate)

    @property
    def title(self) -> str:
        """The name to show, with the replicate where there are several."""
        return replicate_words(self.name, self.replicate)

    @property
    def verdict(self) -> Verdict | None:
        """Whether the machine was left alone; None for a failure, and in records of the time before it was watched."""
        return (
            None if self.measurement is None or self.measurement.watched is None else self.measurement.watched.verdict
        )

    @property
    def is_unclean(self) -> bool:
        """Whether it was measured on a machine that was disturbed, or that could not be watched."""
        return (
            self.measurement is not None
            and self.measurement.watched is not None
            and self.measurement.watched.is_unclean
        )

    def to_json(self) -> str:
        """The record as JSON text.

        Raises:
            ValueError: naming a figure that is no finite number, which JSON cannot hold.
        """
        data = asdict(self)
        try:
            return json.dumps(data, ensure_ascii=False, allow_nan=False)
        except ValueError as error:
            path = next(_not_finite(data), None)
            raise ValueError(str(error) if path is None else f"{path} is not a finite number") from error

    @classmethod
    def from_data(cls, data: object) -> "Record":
        """The record whose JSON, that `to_json` wrote, was parsed to `data`.

        Raises:
            ValueError: when it is no record of this version.
        """
        return cls.all_from_data([data])[0]

    @classmethod
    def all_from_data(cls, items: Sequence[object]) -> "Sequence[Record]":
        """What `from_data` makes of each item, in less time.

        Raises:
            ValueError: when one is no record of this version.
        """
        if not all(isinstance(data, dict) and data.get("schema") == SCHEMA for data in items):
            raise ValueError(f"not a record of schema {SCHEMA}")
        try:
            return build_all(cls, items)
        except UserError as error:
            raise ValueError(f"Run: {error}") from error


def replicate_key(key: str, replicate: int | None) -> str:
    """The name of a replicate of a run: KEY, KEY-r1, KEY-r2. Files of records and claims are named by it."""
    return f"{key}-r{replicate}" if replicate else key


def replicate_words(name: str, replicate: int | None) -> str:
    """A run's name, and which of its replicates is meant where it has several."""
    return name if replicate is None else f"{name} (replicate {replicate})"


def _not_finite(data: object, path: str = "") -> Iterator[str]:
    """The paths of numbers that are not finite, such as measurement.samples.0.latency_s."""
    if isinstance(data, dict | list | tuple):
        for name, value in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _not_finite(value, f"{path}.{name}" if path else str(name))
    elif isinstance(data, float) and not math.isfinite(data):
        yield path
