"""What a run leaves behind: exactly one record, a measurement or a failure, as plain data and JSON."""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

from benchmark.errors import UserError
from benchmark.run import Run
from benchmark.structure import build

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

    @property
    def is_result(self) -> bool:
        """Whether it says something about the grid point, so that trying again would end the same way."""
        return self in {FailureKind.out_of_memory, FailureKind.infeasible, FailureKind.dominated}


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
    """

    latency_s: float
    host_latency_s: float
    prefill_s: float | None
    step_s: tuple[float, ...]
    prompts: tuple[int, ...]
    valid_tokens: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Peaks of one untimed generation, and the weights' share. What a device does not have is null."""

    weights_bytes: int
    max_reserved_bytes: int | None
    max_allocated_bytes: int | None
    max_resident_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class Generated:
    """One prompt's timed output: its tokens and their text beside the document's true continuation."""

    prompt_id: str
    prompt: str
    continuation: str
    reference: str
    tokens: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Score:
    """Quality of one prompt's output.

    Attributes:
        nll_nats: negative log-likelihood of the continuation under the judge, given the prompt; null
            without a judge or without text.
        judge_tokens: the continuation's tokens, in the judge's tokenizer.
        entropy_nats: Shannon entropy of the output's token frequencies.
        distinct_2: share of bigrams that are distinct.
        repetition_4: share of 4-grams that repeat an earlier one.
        bertscore_precision, bertscore_recall, bertscore_f1: the continuation against the true one under
            the encoder; null without an encoder, 0 without text.
        characters: length of the continuation's text.
        ended: whether the output has an end of sequence; null where its tokenizer knows none.
    """

    prompt_id: str
    nll_nats: float | None
    judge_tokens: int | None
    entropy_nats: float
    distinct_2: float | None
    repetition_4: float | None
    bertscore_precision: float | None = None
    bertscore_recall: float | None = None
    bertscore_f1: float | None = None
    characters: int | None = None
    ended: bool | None = None


@dataclass(frozen=True, kw_only=True)
class DocumentLikelihood:
    """How well the model predicts one prompt's true continuation, in nats for the whole of it.

    Attributes:
        text_bytes: UTF-8 bytes of the continuation.
        nats: -log p(continuation | prompt); for diffusion the estimate of its upper bound.
        nats_se: standard error of that estimate; null where the value is exact.
        k_step_nats: diffusion: bound of the sampler in the run's K steps, meaned over random orders.
        k_step_nats_se: its standard error over the orders; null with one.
    """

    prompt_id: str
    text_bytes: int
    nats: float
    nats_se: float | None
    k_step_nats: float | None
    k_step_nats_se: float | None


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Raw samples of a run that went through; statistics are left to the analysis.

    Attributes:
        forward_passes: evaluations of the model's body in one generation.
        likelihood: of held-out text, one entry a document; empty when it was not asked for.
        quality_failure: why the judge's or encoder's figures are missing; null when nothing failed.
    """

    samples: tuple[Sample, ...]
    warmup_s: tuple[float, ...]
    memory: Memory
    forward_passes: int
    generated: tuple[Generated, ...]
    scores: tuple[Score, ...]
    likelihood: tuple[DocumentLikelihood, ...] = ()
    quality_failure: str | None = None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A run that ended without a measurement, in a kind and its words; `log_tail` is the end of its job's log."""

    kind: FailureKind
    message: str
    log_tail: str | None = None


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where a run ran. What could not be found out is null."""

    host: str
    system: str
    cpu: str
    cpu_threads: int
    memory_bytes: int
    gpu: str | None
    gpu_uuid: str | None
    gpu_memory_bytes: int | None
    driver: str | None
    python: str
    torch: str
    cuda: str | None
    transformers: str
    crossover: str
    commit: str | None
    engine: str
    attention: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """The single truth about one run. Times are UTC, ISO 8601.

    `rescored_from` names the record, as its file is named, whose stored text this one scored again;
    all but its scores, and who gave them, is that record's.
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

    def __post_init__(self) -> None:
        """Refuse what is neither or both.

        Raises:
            ValueError: saying so.
        """
        if (self.measurement is None) == (self.failure is None):
            raise ValueError("Record: a record holds a measurement or a failure, never both and never neither")

    def to_json(self) -> str:
        """The record as JSON text."""
        return json.dumps(asdict(self), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Record":
        """The record that `to_json` wrote.

        Raises:
            ValueError: when the text is no record of this version.
        """
        return cls.from_data(json.loads(text))

    @classmethod
    def from_data(cls, data: object) -> "Record":
        """The record whose JSON was parsed to `data`.

        Raises:
            ValueError: when it is no record of this version.
        """
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise ValueError(f"not a record of schema {SCHEMA}")
        try:
            return build(cls, data)
        except UserError as error:
            raise ValueError(f"Run: {error}") from error
