"""One grid point, validated: everything that determines what is generated and how it is measured."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property

from crossover.errors import UserError
from crossover.records.feasibility import schedule_problem
from crossover.records.policies import DREAM, QUOTA, Blocks, PolicyName, Rows
from crossover.records.run_key import key_of
from crossover.records.settings import (
    Attention,
    Device,
    Diffusion,
    Encoder,
    Engine,
    HeldOut,
    Judge,
    Model,
    Precision,
    Prompts,
    Remasking,
    Stopping,
    Weights,
    at_least,
    usual_attention,
    usual_engine,
)

USUAL_PROMPT_FRACTION = 0.5
USUAL_SETTLE_S = 0.5
"""An H100 draws 700 W for a third of a second before it lowers its clock, and raises it again as slowly."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One grid point. Two runs with equal `key` measure the same thing.

    `length` counts prompt and output tokens together. `repeats` is the least number of timed
    samples; a run takes more when its prompts, `batch` at a time, need more, and when `stopping`
    asks for a precision that so many do not have. `gpu` are the words that the GPU's name must
    have; `strict` makes a run a failure that was disturbed, or whose GPU could not be watched; `profile`
    adds passes that measure where time, memory and energy go; `staleness` a generation that shows what the cache
    changes. `threads` are those that PyTorch computes
    with; null is chosen on the machine. `timed_share` of the forward passes are made and timed, and the times of the
    others composed; null times all of them. `settle_s` are the seconds of untimed work before each sample;
    null none.
    """

    model: Model
    diffusion: Diffusion | None
    batch: int
    length: int
    prompt_fraction: float
    temperature: float
    seed: int
    warmup: int
    repeats: int
    device: Device
    precision: Precision
    prompts: Prompts
    judge: Judge | None
    encoder: Encoder | None = None
    likelihood: HeldOut | None = None
    engine: Engine = Engine.eager
    attention: Attention = Attention.sdpa
    weights: Weights = Weights.checkpoint
    stopping: Stopping | None = None
    profile: bool = False
    staleness: bool = False
    gpu: str | None = None
    strict: bool = False
    threads: int | None = None
    timed_share: float | None = None
    settle_s: float | None = None

    def __post_init__(self) -> None:
        """Reject values that no model could run.

        Raises:
            UserError: naming the value and what is allowed.
        """
        at_least("batch", self.batch, 1)
        at_least("warmup", self.warmup, 0)
        at_least("repeats", self.repeats, 1)
        at_least("seed", self.seed, 0)
        at_least("temperature", self.temperature, 0)
        at_least("prompts.count", self.prompts.count, 1)
        if self.threads is not None:
            at_least("hardware.threads", self.threads, 1)
        split_length(self.length, self.prompt_fraction)
        self._check_attention()
        self._check_engine()
        self._check_weights()
        self._check_timing()
        self._check_staleness()

    @cached_property
    def prompt_tokens(self) -> int:
        """Tokens of each prompt."""
        return split_length(self.length, self.prompt_fraction)[0]

    @cached_property
    def output_tokens(self) -> int:
        """Tokens generated for each prompt, N_out."""
        return split_length(self.length, self.prompt_fraction)[1]

    @property
    def samples(self) -> int:
        """The least number of timed samples: `repeats`, or as many batches as all prompts need.

        Random weights need none of them.
        """
        needed = self.batch if self.weights is Weights.random else self.prompts.count
        return max(self.repeats, -(-needed // self.batch))

    @property
    def key(self) -> str:
        """Hash of everything that changes the result, stable across machines and versions of Python."""
        return key_of(asdict(self), is_seeded=self.is_random or self.likelihood is not None)

    @property
    def name(self) -> str:
        """Short label that begins with what a sweep varies, e.g. `tiny_llada K=16 B=8 N=128 T=1`.

        Settings that are at their usual values are left out. A cache that is an approximation is called lossy.
        """
        is_scheduled = self.diffusion is not None and self.diffusion.policy.has_steps
        steps = f" K={self.diffusion.steps}" if self.diffusion is not None and is_scheduled else ""
        return " ".join([f"{self.model.label}{steps} B={self.batch} N={self.length}", *self.unusual()])

    def _check_attention(self) -> None:
        if self.attention is not Attention.flash2:
            return
        if self.device is not Device.cuda or self.precision is not Precision.bfloat16:
            raise UserError(
                f"attention=flash2 runs on a GPU in bfloat16, not in {self.precision} on {self.device}:"
                " use attention=sdpa or attention=eager"
            )

    def _check_engine(self) -> None:
        settings = self.diffusion
        if self.engine is not Engine.published or settings is None:
            return
        refresh = settings.cache is not None and settings.cache.refresh is not None
        known = {PolicyName.quota, PolicyName.threshold, PolicyName.factor, PolicyName.delayed_threshold, *DREAM}
        guided = settings.policy != QUOTA and settings.guidance_scale > 0
        random = settings.cache is not None and settings.remasking is Remasking.random
        independent = settings.rows is not Rows.together or settings.is_begun_by_context
        if settings.blocks is Blocks.sequence:
            known = {PolicyName.quota, PolicyName.sequential, PolicyName.low_confidence_dynamic}
            random = settings.remasking is Remasking.random
        if settings.policy.name not in known or refresh or guided or random or independent:
            raise UserError(
                "engine=published is the published loops, which have policy=quota, threshold or factor without"
                " guidance, and caches without refresh; Dream's policies; and for block-causal models quota, sequential"
                " and low_confidence_dynamic: use engine=eager or engine=compiled"
            )

    def _check_weights(self) -> None:
        scored = [name for name in ("judge", "encoder", "likelihood") if getattr(self, name) is not None]
        if self.weights is Weights.random and scored:
            raise UserError(f"weights=random has no quality to score: leave out {', '.join(scored)}")

    def _check_timing(self) -> None:
        if self.settle_s is not None and not 0 <= self.settle_s < math.inf:
            raise UserError(f"timing.settle_s={self.settle_s} is not allowed: give seconds such as {USUAL_SETTLE_S}")
        if self.timed_share is None:
            return
        if not 0 < self.timed_share <= 1:
            raise UserError(f"timing.share={self.timed_share} is not allowed: give a share such as 0.1")
        settings = self.diffusion
        guided = settings is not None and settings.guidance_scale > 0
        paced = settings is not None and settings.policy.is_self_paced
        whole = guided or paced or self.profile or self.staleness
        if self.weights is not Weights.random or self.engine is Engine.published or whole:
            raise UserError(
                "timing=sampled leaves forward passes out: it is for weights=random, a policy that follows no text,"
                " engine=eager or engine=compiled, without guidance, without profile and without staleness"
            )

    def _check_staleness(self) -> None:
        settings = self.diffusion
        lossy = settings is not None and settings.cache is not None and settings.cache.is_lossy
        if self.staleness and (not lossy or self.engine is Engine.published):
            raise UserError(
                "staleness=true compares steps with a lossy cache to steps without one: give cache=prefix, dual or"
                " sub_block, with engine=eager or engine=compiled"
            )

    def unusual(self) -> Iterator[str]:
        """Settings besides steps, batch and length that are not at their usual values, a few words each."""
        texts = (
            (self.temperature > 0, f"T={self.temperature:g}"),
            (self.is_random and self.seed > 0, f"seed={self.seed}"),
            (self.prompt_fraction != USUAL_PROMPT_FRACTION, f"prompt={self.prompt_tokens}"),
            *((True, text) for text in self.unusual_sampling),
            (self.engine is not usual_engine(self.device), str(self.engine)),
            (self.attention is not usual_attention(self.device, self.precision), f"attention={self.attention}"),
            (self.weights is Weights.random, "random weights"),
            (self.threads is not None, f"threads={self.threads}"),
            (self.timed_share is not None, f"timed={self.timed_share}"),
            (self.settle_s not in {None, USUAL_SETTLE_S if self.timed_share else None}, f"settle={self.settle_s}"),
            *((True, text) for text in self.prompts.unusual),
        )
        return (text for differs, text in texts if differs)

    @property
    def unusual_sampling(self) -> tuple[str, ...]:
        """In what a diffusion run's sampling differs from writing the most confident positions of one block."""
        return () if self.diffusion is None else self._sampling(self.diffusion.policy.label)

    @property
    def ladder_sampling(self) -> tuple[str, ...]:
        """The same without the knob of its policy, which a ladder turns."""
        return () if self.diffusion is None else self._sampling(self.diffusion.policy.rule)

    def _sampling(self, policy: str) -> tuple[str, ...]:
        settings = self.diffusion
        assert settings is not None
        texts = (
            (settings.block_length != self.output_tokens, f"block={settings.block_length}"),
            (settings.sub_block_length is not None, f"sub_block={settings.sub_block_length}"),
            (settings.causal_context, "causal context"),
            (settings.remasking is not Remasking.low_confidence, str(settings.remasking)),
            (settings.guidance_scale != 0, f"guidance={settings.guidance_scale:g}"),
            (settings.policy != QUOTA, policy),
            (settings.cache is not None, f"cache={settings.cache and settings.cache.label}"),
            (settings.rows is not Rows.together, f"rows={settings.rows}"),
        )
        return tuple(text for differs, text in texts if differs)

    @property
    def is_random(self) -> bool:
        """Whether the seed changes what is generated."""
        if self.temperature > 0 or self.diffusion is None:
            return self.temperature > 0
        return self.diffusion.remasking is Remasking.random or self.diffusion.policy.draws_positions

    @property
    def infeasible(self) -> str | None:
        """Why this point cannot be run on any machine; None when it can."""
        if self.length > self.model.context:
            return f"length={self.length} is more than the context of {self.model.name}, {self.model.context} tokens"
        if self.diffusion is None:
            return None
        return schedule_problem(self.diffusion, self.output_tokens)


def split_length(length: int, prompt_fraction: float) -> tuple[int, int]:
    """Prompt and output tokens of a sequence of `length`.

    Raises:
        UserError: when either would be without a token.
    """
    at_least("length", length, 2)
    if not 0 < prompt_fraction < 1:
        raise UserError(f"prompt_fraction={prompt_fraction} is not allowed: give a number between 0 and 1, such as 0.5")
    prompt_tokens = round(length * prompt_fraction)
    if not 0 < prompt_tokens < length:
        raise UserError(
            f"prompt_fraction={prompt_fraction} of length={length} leaves {prompt_tokens} prompt and"
            f" {length - prompt_tokens} output tokens: each must be at least 1"
        )
    return prompt_tokens, length - prompt_tokens
