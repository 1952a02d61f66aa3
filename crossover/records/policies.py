"""Which masked positions a diffusion run writes, which keys and values it keeps, and how the rows of a batch wait."""

import math
from dataclasses import dataclass
from enum import StrEnum

from crossover.errors import UserError


class PolicyName(StrEnum):
    """How the positions that a forward pass writes are chosen; docs/policies.md defines each."""

    quota = "quota"
    threshold = "threshold"
    factor = "factor"
    entropy_bounded = "entropy_bounded"
    margin = "margin"
    entropy = "entropy"


class FactorRule(StrEnum):
    """The factor rule as the paper has it, or as Fast-dLLM's loop ends: where only the last position fails, all go."""

    plain = "plain"
    fast_dllm = "fast_dllm"


class CacheName(StrEnum):
    """Keys and values that later forward passes of a block read as they were: before it, or on both of its sides."""

    prefix = "prefix"
    dual = "dual"


class Rows(StrEnum):
    """Whether a row that is done with its block waits for the others, or goes on to its next block."""

    together = "together"
    independent = "independent"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A rule with its knob; knobs of other rules are None.

    Attributes:
        threshold: the least confidence that `threshold` writes.
        factor: f of the rule `factor`, see `benchmark/decoders/policies/factor.py`.
        gamma: the most entropy in nats that `entropy_bounded` writes beside its first position.
    """

    name: PolicyName = PolicyName.quota
    threshold: float | None = None
    factor: float | None = None
    factor_rule: FactorRule | None = None
    gamma: float | None = None

    def __post_init__(self) -> None:
        """Reject a rule without its knob, and a knob without its rule.

        Raises:
            UserError: naming the key, its value and what is allowed.
        """
        owners = {
            "threshold": PolicyName.threshold,
            "factor": PolicyName.factor,
            "factor_rule": PolicyName.factor,
            "gamma": PolicyName.entropy_bounded,
        }
        for knob, owner in owners.items():
            value = getattr(self, knob)
            if (value is None) == (owner is self.name):
                advice = "give it one" if value is None else f"it is a knob of policy={owner}"
                raise UserError(f"policy.{knob} has {value or 'no value'} under policy={self.name}: {advice}")
        if self.threshold is not None and not 0 < self.threshold <= 1:
            raise UserError(f"policy.threshold={self.threshold} is not allowed: give a probability such as 0.9")
        for knob in ("factor", "gamma"):
            value = getattr(self, knob)
            if value is not None and not 0 <= value < math.inf:
                raise UserError(f"policy.{knob}={value} is not allowed: give a number of at least 0")

    @property
    def is_self_paced(self) -> bool:
        """Whether the number of forward passes depends on the text, and not on `steps`."""
        return self.name in {PolicyName.threshold, PolicyName.factor, PolicyName.entropy_bounded}

    @property
    def label(self) -> str:
        """The rule with its knob, e.g. `threshold=0.9`; a word alone where it has none."""
        knobs = [knob for knob in (self.threshold, self.factor, self.gamma) if knob is not None]
        rule = f" ({self.factor_rule})" if self.factor_rule is FactorRule.fast_dllm else ""
        return f"{self.name}={knobs[0]:g}{rule}" if knobs else self.name


QUOTA = Policy()
"""The published schedule: the same number of positions at each step, the most confident first."""


@dataclass(frozen=True, kw_only=True)
class Cache:
    """Keys and values that are kept; an approximation, since they belong to a canvas that has changed since.

    `refresh` computes the whole canvas anew every so many forward passes of a block, besides at its first.
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

    @property
    def label(self) -> str:
        """Its name, and that it is lossy, e.g. `dual (lossy)`."""
        refresh = "" if self.refresh is None else f" refresh={self.refresh}"
        return f"{self.name}{refresh} (lossy)"
