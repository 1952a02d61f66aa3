"""The parts of a run: its models, how they generate, who scores, and when there are samples enough."""

import math
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

from crossover.errors import UserError
from crossover.records.block_checks import check_blocks, check_causal_context, check_sub_blocks
from crossover.records.policies import QUOTA, Blocks, Cache, CacheName, Policy, PolicyName, Rows

LABEL_DIGITS = 6
"""Digits of a content's hash that a label shows."""


class Family(StrEnum):
    """How a model generates."""

    autoregressive = "autoregressive"
    diffusion = "diffusion"


class Remasking(StrEnum):
    """Which masked positions a diffusion step writes: the most confident ones, or random ones."""

    low_confidence = "low_confidence"
    random = "random"


class Precision(StrEnum):
    """Type of the weights and activations."""

    bfloat16 = "bfloat16"
    float32 = "float32"


class Device(StrEnum):
    """Where the model runs."""

    cpu = "cpu"
    cuda = "cuda"


class Engine(StrEnum):
    """How a forward pass is executed.

    published: the published diffusion loop and transformers' generate, as everybody else reports them.
    eager: the plain modules of transformers, without the work that changes no token.
    compiled: layers compiled once, static shapes, and on a GPU one CUDA graph a pass.
    """

    published = "published"
    eager = "eager"
    compiled = "compiled"


class Attention(StrEnum):
    """The attention kernel: FlashAttention-2, whatever PyTorch finds best, or plain matrix products."""

    flash2 = "flash2"
    sdpa = "sdpa"
    eager = "eager"


class Weights(StrEnum):
    """The checkpoint's weights, or random ones of its architecture, which are for time and memory alone."""

    checkpoint = "checkpoint"
    random = "random"


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model to measure.

    Attributes:
        checkpoint: a hub id, a folder in the official layout, or `builtin:NAME`.
        context: the largest number of prompt and output tokens together.
        architecture: a folder whose config.json stands in for the checkpoint's where weights are random.
        variant: what tells the checkpoint from the usual one of this name; null for the usual one.
        content: hash of what the checkpoint holds; null where that was not read, as in older records.
    """

    name: str
    family: Family
    checkpoint: str
    revision: str | None
    context: int
    architecture: str | None = None
    variant: str | None = None
    content: str | None = None

    @property
    def label(self) -> str:
        """The name to show: that of the model, and of its checkpoint where it is not the usual one."""
        if self.variant is None:
            return self.name
        return f"{self.name} ({' '.join([self.variant, *([self.content[:LABEL_DIGITS]] if self.content else [])])})"


@dataclass(frozen=True, kw_only=True)
class Diffusion:
    """The settings of masked-diffusion sampling, which an autoregressive run does not have.

    Under a policy without a schedule, `steps` is the most that it may take: one for each output token. `blocks` is a
    property of the model: with `sequence` it is block-causal.

    Attributes:
        sub_block_length: tokens of a block that are decided before the next ones of the same block; None is all of it.
        causal_context: what is kept attends causally, and blocks are cut from the prompt's end.
    """

    steps: int
    block_length: int
    remasking: Remasking
    guidance_scale: float
    policy: Policy = QUOTA
    cache: Cache | None = None
    rows: Rows = Rows.together
    blocks: Blocks = Blocks.output
    sub_block_length: int | None = None
    causal_context: bool = False

    def __post_init__(self) -> None:
        """Reject values that no schedule could have.

        Raises:
            UserError: naming the value and what is allowed.
        """
        at_least("steps", self.steps, 1)
        at_least("block_length", self.block_length, 1)
        at_least("model.guidance_scale", self.guidance_scale, 0)
        if self.policy != QUOTA and self.remasking is Remasking.random:
            raise UserError(f"model.remasking=random is a policy of its own: leave policy={self.policy.name} out")
        self._check_rows()
        check_blocks(self.blocks, self.policy, self.cache, self.guidance_scale)
        check_sub_blocks(self.sub_block_length, self.block_length, self.blocks, self.policy, self.cache)
        if self.causal_context:
            check_causal_context(self.sub_block_length, self.blocks, self.policy, self.cache)
        if self.cache is not None and self.guidance_scale:
            raise UserError(
                f"model.guidance_scale={self.guidance_scale:g} makes a second pass, which has no kept keys and values:"
                " use cache=none"
            )

    def _check_rows(self) -> None:
        if self.rows is Rows.together:
            return
        if not self.policy.is_self_paced:
            raise UserError(
                f"rows=independent is for policies that follow the text: policy={self.policy.name} waits never"
            )
        if self.policy.has_steps or self.policy.name == PolicyName.editing or self.blocks is Blocks.sequence:
            raise UserError(
                "rows=independent is for policy=threshold, factor or entropy_bounded of a model that is not"
                " block-causal: use rows=together"
            )
        if self.cache is not None:
            raise UserError("rows=independent computes the whole canvas each time: use cache=none")

    @property
    def is_begun_by_context(self) -> bool:
        """Whether a block's first token is written by the pass that keeps what is before the block."""
        return self.causal_context or self.sub_block_length is not None

    @property
    def keeps_sub_blocks(self) -> bool:
        """Whether a sub-block is computed alone."""
        return self.cache is not None and self.cache.name is CacheName.sub_block

    @property
    def part_length(self) -> int:
        """Positions that a policy's schedule is for: those of a block, or of a sub-block."""
        return self.sub_block_length or self.block_length

    @property
    def scheduled(self) -> int:
        """Masks that the schedule of a part is made for; a causal context has written the first of them."""
        return self.block_length - 1 if self.causal_context else self.part_length


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """Where prompts come from: a path or `builtin:NAME`, and how many of them every run must decode.

    `content` is the hash of what the source holds, and of the examples; null where it was not read, as in older
    records. The others are of prompts with answers.

    Attributes:
        rule: what is right, for those that do not say it themselves.
        chat: they are written by the checkpoint's chat template.
        shots: a file of examples that stand before each of them.
        template: hash of that chat template, which is the checkpoint's own; null without, or where it was not read.
    """

    source: str
    count: int
    content: str | None = None
    rule: str | None = None
    chat: bool = False
    shots: str | None = None
    template: str | None = None

    @property
    def unusual(self) -> tuple[str, ...]:
        """How the prompts are written, where that is not as they stand in the file."""
        shots = () if self.shots is None else (f"shots={PurePath(self.shots).stem}",)
        return (*(("chat",) if self.chat else ()), *shots)


@dataclass(frozen=True, kw_only=True)
class Judge:
    """The causal model that scores the generated text; without a device it lives on the run's.

    `content` is the hash of what its checkpoint holds; null where it was not read, as in older records.
    """

    checkpoint: str
    revision: str | None
    precision: Precision
    device: Device | None = None
    content: str | None = None


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """The model behind BERTScore, and the layer, counted from 1, whose states it compares; the rest as for Judge."""

    checkpoint: str
    revision: str | None
    layer: int
    device: Device | None = None
    content: str | None = None

    def __post_init__(self) -> None:
        """Reject a layer that no model has.

        Raises:
            UserError: saying what is allowed.
        """
        at_least("encoder.layer", self.layer, 1)


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """How much text likelihood rests on.

    Attributes:
        documents: the first so many prompts of the source, whose true continuations are scored.
        samples: random maskings of each continuation, for diffusion's bound; an autoregressive run has none.
        orders: random orders of each continuation, for the bound in K steps; likewise.
    """

    documents: int
    samples: int | None
    orders: int | None

    def __post_init__(self) -> None:
        """Reject values that no estimate could rest on.

        Raises:
            UserError: naming the value and what is allowed.
        """
        at_least("likelihood.documents", self.documents, 1)
        at_least("likelihood.samples", 2 if self.samples is None else self.samples, 2)
        at_least("likelihood.orders", 1 if self.orders is None else self.orders, 1)
        if self.samples is not None and self.samples % 2:
            raise UserError(
                f"likelihood.samples={self.samples} is not allowed: give an even number,"
                " since samples are drawn in pairs that tell their own error"
            )


@dataclass(frozen=True, kw_only=True)
class Stopping:
    """When a run that has its least number of samples may end.

    Attributes:
        interval: the 95% interval of the median latency, high minus low, is narrower than this share of the median.
        budget_s: or the timed samples together took so many seconds.
    """

    interval: float
    budget_s: float

    def __post_init__(self) -> None:
        """Reject values that no run could end by.

        Raises:
            UserError: naming the value and what is allowed.
        """
        at_least("stopping.budget_s", self.budget_s, 0)
        if not 0 < self.interval < 1:
            raise UserError(
                f"stopping.interval={self.interval} is not allowed: give a number between 0 and 1, such as 0.03 for 3%"
            )


def usual_engine(device: Device) -> Engine:
    """The engine where none is asked for."""
    return Engine.compiled if device is Device.cuda else Engine.eager


def usual_attention(device: Device, precision: Precision) -> Attention:
    """The attention kernel where none is asked for: FlashAttention-2 wherever it runs."""
    runs = device is Device.cuda and precision is Precision.bfloat16
    return Attention.flash2 if runs else Attention.sdpa


def at_least(name: str, value: float, least: int) -> None:
    """Reject a number below `least`, an infinite one, or none at all.

    Raises:
        UserError: naming the value and what is allowed.
    """
    if not least <= value < math.inf:  # so is nan
        raise UserError(f"{name}={value} is not allowed: give a number of at least {least}")
