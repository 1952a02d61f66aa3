"""Which masked positions a diffusion run writes, which keys and values it keeps, and how the rows of a batch wait."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from crossover.errors import UserError


class PolicyName(StrEnum):
    """How the positions that a forward pass writes are chosen; docs/policies.md defines each.

    These are the policies whose facts stand here. Others bring theirs along: see `Policy.pace`.
    """

    quota = "quota"
    threshold = "threshold"
    factor = "factor"
    entropy_bounded = "entropy_bounded"
    margin = "margin"
    entropy = "entropy"
    sequential = "sequential"
    low_confidence_dynamic = "low_confidence_dynamic"
    editing = "editing"
    maskgit_plus = "maskgit_plus"
    topk_margin = "topk_margin"
    dream_entropy = "dream_entropy"
    origin = "origin"
    delayed_threshold = "delayed_threshold"


class Pace(StrEnum):
    """What decides how many forward passes a policy makes.

    steps: `steps` alone.
    both: the text, and `steps` is the most.
    text: the text alone; `steps` is ignored.
    """

    steps = "steps"
    both = "both"
    text = "text"


class FactorRule(StrEnum):
    """The factor rule as the paper has it, or as Fast-dLLM's loop ends: where only the last position fails, all go."""

    plain = "plain"
    fast_dllm = "fast_dllm"


class CacheName(StrEnum):
    """Keys and values that later forward passes read.

    prefix: those before a block, as they were at its first forward pass.
    dual: those on both of its sides, likewise.
    exact: those of the finished blocks of a block-causal model, which nothing written later changes.
    sub_block: the same, and within a block those beside a sub-block, as a pass over the whole block left them.
    """

    prefix = "prefix"
    dual = "dual"
    exact = "exact"
    sub_block = "sub_block"


LOSSY = (CacheName.prefix, CacheName.dual, CacheName.sub_block)
"""Caches that are approximations: the text may be another than without them."""
OF_BLOCKS = (CacheName.exact, CacheName.sub_block)
"""Caches of block-causal models."""


class Blocks(StrEnum):
    """What is cut into blocks: the output, or the whole sequence from its first position on.

    In the second a position attends to its own block and to those before it: the model is block-causal.
    """

    output = "output"
    sequence = "sequence"


class Rows(StrEnum):
    """Whether a row that is done with its block waits for the others, or goes on to its next block."""

    together = "together"
    independent = "independent"


KNOWN = frozenset(PolicyName)
PACES: Mapping[str, Pace] = {
    PolicyName.threshold: Pace.text,
    PolicyName.factor: Pace.text,
    PolicyName.entropy_bounded: Pace.text,
    PolicyName.editing: Pace.text,
    PolicyName.low_confidence_dynamic: Pace.both,
    PolicyName.origin: Pace.both,
    PolicyName.delayed_threshold: Pace.both,
}
"""Those of the policies here that are not of `steps`."""
DREAM = frozenset({PolicyName.maskgit_plus, PolicyName.topk_margin, PolicyName.dream_entropy, PolicyName.origin})
"""Policies of Dream's schedule, which writes the whole output without blocks."""

OWNERS = {
    "threshold": frozenset(
        {PolicyName.threshold, PolicyName.low_confidence_dynamic, PolicyName.editing, PolicyName.delayed_threshold}
    ),
    "factor": frozenset({PolicyName.factor}),
    "factor_rule": frozenset({PolicyName.factor}),
    "gamma": frozenset({PolicyName.entropy_bounded}),
    "editing_threshold": frozenset({PolicyName.editing}),
    "max_post_steps": frozenset({PolicyName.editing}),
    "transfers": frozenset({PolicyName.editing}),
    "eps": DREAM,
    "alg_temp": DREAM - {PolicyName.origin},
    "top_p": DREAM,
    "top_k": DREAM,
}
"""Knobs, and the policies that read them."""
OPTIONAL = frozenset({"alg_temp", "top_p", "top_k"})
"""Knobs that a policy may go without."""
PROBABILITIES = {"threshold": 0.9, "editing_threshold": 0.9, "top_p": 0.9}
LEAST = {"factor": 0, "gamma": 0, "max_post_steps": 0, "transfers": 1, "top_k": 1, "alg_temp": 0}
"""What values are allowed: probabilities, with an example each, and the least of the others."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A rule with its knobs; knobs of other rules are None.

    Attributes:
        pace: of a policy that is none of `PolicyName`; None of those.
        threshold: the least confidence that is written; `low_confidence_dynamic` and `editing` ask for more than that.
        factor: f of the rule `factor`, see `benchmark/decoders/policies/factor.py`.
        gamma: the most entropy in nats that `entropy_bounded` writes beside its first position.
        editing_threshold: the confidence above which `editing` replaces a token that is written.
        max_post_steps: the most forward passes that `editing` makes over a block without masks.
        transfers: the least number of masks that a forward pass of `editing` writes.
        eps: the time at which Dream's schedule ends.
        alg_temp: the temperature at which Dream draws positions by their scores; None takes the highest.
        top_p: Dream's scores are of the likeliest tokens with this share of the probability; None is all tokens.
        top_k: the same of so many tokens.
    """

    name: str = PolicyName.quota
    pace: Pace | None = None
    threshold: float | None = None
    factor: float | None = None
    factor_rule: FactorRule | None = None
    gamma: float | None = None
    editing_threshold: float | None = None
    max_post_steps: int | None = None
    transfers: int | None = None
    eps: float | None = None
    alg_temp: float | None = None
    top_p: float | None = None
    top_k: int | None = None

    def __post_init__(self) -> None:
        """Reject a rule without its knob, and a knob without its rule.

        Raises:
            UserError: naming the key, its value and what is allowed.
        """
        if self.name in KNOWN:
            self._check_owners()
        elif self.pace is None:
            raise UserError(f"policy={self.name} says no pace: give policy.pace={', '.join(Pace)} in its file")
        for knob in OWNERS:
            if (value := getattr(self, knob)) is not None:
                check_knob(knob, value)

    def _check_owners(self) -> None:
        if self.pace is not None:
            raise UserError(f"policy.pace={self.pace} is for a policy of your own: leave it out of policy={self.name}")
        for knob, owners in OWNERS.items():
            value, is_owned = getattr(self, knob), self.name in owners
            if (value is not None) != is_owned and not (is_owned and knob in OPTIONAL):
                named = ", ".join(name for name in PolicyName if name in owners)
                advice = "give it one" if value is None else f"it is a knob of policy={named}"
                raise UserError(f"policy.{knob} has {value or 'no value'} under policy={self.name}: {advice}")

    @property
    def is_self_paced(self) -> bool:
        """Whether the number of forward passes depends on the text."""
        return self._pace is not Pace.steps

    @property
    def has_steps(self) -> bool:
        """Whether `steps` changes what is written."""
        return self._pace is not Pace.text

    @property
    def _pace(self) -> Pace:
        return self.pace or PACES.get(self.name, Pace.steps)

    @property
    def is_of_whole_output(self) -> bool:
        """Whether its schedule is one for the whole output, which then is a single block."""
        return self.name in DREAM or self.name == PolicyName.delayed_threshold

    @property
    def draws_positions(self) -> bool:
        """Whether chance decides which positions are written."""
        return self.name == PolicyName.origin or bool(self.alg_temp)

    @property
    def knob(self) -> float | None:
        """What a ladder of this rule turns where `steps` changes nothing; None where it is of steps, or has no knob."""
        values = (self.threshold, self.factor, self.gamma)
        return None if self.has_steps else next((value for value in values if value is not None), None)

    def turned(self, value: float) -> "Policy":
        """The same rule with its knob at another value; itself where it has none."""
        if self.knob is None:
            return self
        if self.threshold is not None:
            return replace(self, threshold=value)
        return replace(self, factor=value) if self.factor is not None else replace(self, gamma=value)

    @property
    def care(self) -> float:
        """Rises with the forward passes that a setting of the knob takes: with the threshold, and as others fall."""
        assert self.knob is not None
        return self.knob if self.threshold is not None else -self.knob

    @property
    def label(self) -> str:
        """The rule with its knobs, e.g. `threshold=0.9`; a word alone where it has none."""
        return self._label(with_knob=True)

    @property
    def rule(self) -> str:
        """The same without the value of the knob that a ladder turns, e.g. `threshold`."""
        return self._label(with_knob=self.knob is None)

    def _label(self, *, with_knob: bool) -> str:
        knobs = {knob: value for knob in OWNERS if (value := getattr(self, knob)) is not None}
        rule = knobs.pop("factor_rule", None)
        if knobs.get("eps") == USUAL_EPS:
            del knobs["eps"]
        first = next((knobs.pop(knob) for knob in ("threshold", "factor", "gamma") if knob in knobs), None)
        head = self.name if first is None or not with_knob else f"{self.name}={first:g}"
        shown = [head, *(f"{knob}={value:g}" for knob, value in knobs.items())]
        return " ".join([*shown, *([f"({rule})"] if rule is FactorRule.fast_dllm else [])])


USUAL_EPS = 1e-3

QUOTA = Policy()
"""The published schedule: the same number of positions at each step, the most confident first."""


@dataclass(frozen=True, kw_only=True)
class Cache:
    """Keys and values that are kept.

    Those of LOSSY are approximations, since they belong to a canvas that has changed since. `refresh` computes the
    whole canvas anew every so many forward passes of a block, besides at its first.
    """

    name: CacheName
    refresh: int | None = None

    def __post_init__(self) -> None:
        """Reject a refresh that is none.

        Raises:
            UserError: saying what is allowed.
        """
        if self.refresh is not None and self.refresh < 1:
            raise UserError(f"cache.refresh={self.refresh} is not allowed: give a number of at least 1, or null")
        if self.refresh is not None and self.name in OF_BLOCKS:
            raise UserError(f"cache.refresh={self.refresh} is for cache=prefix and dual, not {self.name}: leave it out")

    @property
    def is_lossy(self) -> bool:
        """Whether it is an approximation."""
        return self.name in LOSSY

    @property
    def label(self) -> str:
        """Its name, and whether it is lossy, e.g. `dual (lossy)`."""
        refresh = "" if self.refresh is None else f" refresh={self.refresh}"
        return f"{self.name}{refresh} (lossy)" if self.is_lossy else f"{self.name} (not lossy)"


def check_knob(knob: str, value: float) -> None:
    """Reject a value that no policy takes.

    Raises:
        UserError: saying what is allowed.
    """
    if knob in PROBABILITIES and not 0 < value <= 1:
        raise UserError(f"policy.{knob}={value} is not allowed: give a probability such as {PROBABILITIES[knob]}")
    if knob in LEAST and not LEAST[knob] <= value < math.inf:
        raise UserError(f"policy.{knob}={value} is not allowed: give a number of at least {LEAST[knob]}")
    if knob == "eps" and not 0 <= value < 1:
        raise UserError(f"policy.eps={value} is not allowed: give a number from 0 to below 1, such as 0.001")
