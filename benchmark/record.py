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
    interrupted = "interrupted"
    error = "error"
    invalid = "invalid"
    disturbed = "disturbed"


class StoppedBy(StrEnum):
    """Why a run took no further sample: it had its fixed number, its precision, or no time left."""

    repeats = "repeats"
    precision = "precision"
    budget = "budget"


class Label(StrEnum):
    """What was wrong with the machine while a sample was taken. `power_cap` alone disturbs no run."""

    throttled = "throttled"
    power_cap = "power_cap"
    clock_changed = "clock_changed"
    foreign_process = "foreign_process"
    busy_cpu = "busy_cpu"


class Verdict(StrEnum):
    """Whether the machine was left alone; `unknown` where a GPU could not be watched."""

    clean = "clean"
    disturbed = "disturbed"
    unknown = "unknown"


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What was read of the machine around one sample and, where it lasts long enough, during it. Unknown is null.

    Attributes:
        sm_mhz_before, sm_mhz_after: SM clock right before the sample (an idle GPU's), and right after its end.
        sm_mhz_low, sm_mhz_high: lowest and highest of the readings during the sample and of the one after.
        memory_mhz_low, memory_mhz_high: the memory's clock, likewise.
        throttle: NVML's reasons for a lower clock, of all those readings; idleness is none.
        temperature_c: highest. power_w: highest. performance_state: highest number, 0 is the fastest state.
        readings: how many of them fell inside the sample.
        foreign_processes: processes on the GPU that are not this one.
        foreign_gpu_bytes: memory in use on the GPU that this process's allocator does not hold.
        foreign_cpu_cores: CPU time of all other processes over time: 1.0 is one core kept busy.
    """

    sm_mhz_before: int | None = None
    sm_mhz_low: int | None = None
    sm_mhz_high: int | None = None
    sm_mhz_after: int | None = None
    memory_mhz_low: int | None = None
    memory_mhz_high: int | None = None
    throttle: tuple[str, ...] = ()
    temperature_c: int | None = None
    power_w: float | None = None
    performance_state: int | None = None
    readings: int = 0
    foreign_processes: int | None = None
    foreign_gpu_bytes: int | None = None
    foreign_cpu_cores: float | None = None


@dataclass(frozen=True, kw_only=True)
class LabelCount:
    """How many of a run's samples have a label."""

    label: Label
    samples: int


@dataclass(frozen=True, kw_only=True)
class Watched:
    """What the labels of all samples come to. `why` is null where nothing is to be said."""

    verdict: Verdict
    why: str | None
    labelled: tuple[LabelCount, ...]


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
    """

    latency_s: float
    host_latency_s: float
    prefill_s: float | None
    step_s: tuple[float, ...]
    prompts: tuple[int, ...]
    valid_tokens: tuple[int, ...]
    labels: tuple[Label, ...] = ()
    conditions: Conditions | None = None


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
class Limits:
    """A run held against its device. See docs/protocol.md for what is counted.

    Attributes:
        copy_bytes_per_s, matrix_flop_per_s: the device's ceilings, measured on it.
        flop, bytes: arithmetic and memory traffic of one generation, counted from its shape.
        floor_s: the least time that the ceilings allow for them, pass by pass.
        floor_share: floor_s over the measured median latency: 1 is the chip's limit.
        matrix_share: arithmetic a second over its ceiling (MFU against the measured rate).
        copy_share: traffic a second over its ceiling.
    """

    copy_bytes_per_s: float
    matrix_flop_per_s: float
    flop: float
    bytes: float
    floor_s: float
    floor_share: float
    matrix_share: float
    copy_share: float


@dataclass(frozen=True, kw_only=True)
class KernelTime:
    """Time of all operations of one kind in one generation."""

    kind: str
    seconds: float
    calls: int


@dataclass(frozen=True, kw_only=True)
class MemoryPoint:
    """Memory at a moment of one generation: the weights, the key-value cache, and the rest of what is allocated."""

    at_s: float
    reserved_bytes: int
    weights_bytes: int
    cache_bytes: int
    rest_bytes: int


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Energy by the GPU's own counter over several generations; everything on the board, idle power included."""

    joules: float
    seconds: float
    generations: int
    joules_per_token: float


@dataclass(frozen=True, kw_only=True)
class Profile:
    """Where time, memory and energy go, from passes of their own. What a device cannot tell is null or empty.

    Attributes:
        latency_s: the profiled generation, slowed down by the profiler; shares are of this.
        kinds: matrix, attention, head, other and idle; on a CPU the operators' own times.
        memory: along one more generation.
    """

    latency_s: float
    kinds: tuple[KernelTime, ...]
    memory: tuple[MemoryPoint, ...] = ()
    energy: Energy | None = None


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Raw samples of a run that went through; statistics are left to the analysis.

    Attributes:
        forward_passes: evaluations of the model's body in one generation.
        likelihood: of held-out text, one entry a document; empty when it was not asked for.
        preparing_s: seconds that compiling and capturing took, once for this shape; null in older records.
        fallback: why another engine ran than was asked for; null when none did.
        quality_failure: why the judge's or encoder's figures are missing; null when nothing failed.
        stopped_by: why there are no more samples; null in older records, as are all below.
        interval_share: width of the 95% interval of the median latency over the median; null under 6 samples.
        warmup_too_short: whether the first sample is an outlier on the slow side; null where too few say so.
        prompts_digest: hash of the documents that were decoded, in their order; equal for equal prompts.
        watched: what became of the machine meanwhile.
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


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What was expected before the run: its latency, and its peak memory (on a CPU without the interpreter's own)."""

    latency_s: float
    peak_bytes: int


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A run that ended without a measurement, in a kind and its words."""

    kind: FailureKind
    message: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """A GPU's settings, read through NVML and never changed. What it does not tell is null.

    Attributes:
        form: SXM or PCI.
        power_limit_w: the limit in force; power_limit_default_w: the one that it came with.
        sm_mhz_max, memory_mhz_max: the highest clocks.
        process_count: processes on the GPU when the run was over, this one among them.
    """

    form: str | None = None
    pci_bus_id: str | None = None
    ecc: bool | None = None
    mig: bool | None = None
    persistence: bool | None = None
    performance_state: int | None = None
    power_limit_w: float | None = None
    power_limit_default_w: float | None = None
    sm_mhz_max: int | None = None
    memory_mhz_max: int | None = None
    process_count: int | None = None


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
class Environment:
    """Where a run ran, and with which engine and attention kernel. What could not be found out is null.

    Attributes:
        dirty: whether the checkout had changes that are in no commit.
        variables: environment variables that change speed, as NAME=value.
    """

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
    dirty: bool | None = None
    cudnn: str | None = None
    flash_attn: str | None = None
    variables: tuple[str, ...] = ()
    card: Card | None = None


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
    fingerprint: Fingerprint | None = None
    prediction: Prediction | None = None

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
