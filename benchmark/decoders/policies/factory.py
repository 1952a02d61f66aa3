"""From a run's settings to its policy. A new policy is a file, a row in POLICIES and a YAML with its facts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from benchmark.decoders.policies.blocks.dynamic import LowConfidenceDynamic
from benchmark.decoders.policies.blocks.editing import Editing
from benchmark.decoders.policies.blocks.sequential import Sequential
from benchmark.decoders.policies.dream.delayed_threshold import DelayedThreshold
from benchmark.decoders.policies.dream.origin import Origin
from benchmark.decoders.policies.dream.schedule import DreamSchedule
from benchmark.decoders.policies.entropy import entropy
from benchmark.decoders.policies.entropy_bounded import EntropyBounded
from benchmark.decoders.policies.factor import Factor
from benchmark.decoders.policies.interface import Policy
from benchmark.decoders.policies.margin import margin
from benchmark.decoders.policies.quota import Quota
from benchmark.decoders.policies.random import random
from benchmark.decoders.policies.threshold import Threshold
from benchmark.engines.sampling.scores import Score
from crossover.errors import UserError
from crossover.records import policies as settings
from crossover.records.policies import PolicyName
from crossover.records.settings import Diffusion, Remasking

Knob = TypeVar("Knob")


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a policy is made from: its knobs, the steps of one block, and the tokens of a block and of the output."""

    knobs: settings.Policy
    steps: int
    block_length: int
    output_tokens: int


def make_policy(diffusion: Diffusion, output_tokens: int) -> Policy:
    """The policy for blocks of an output of so many tokens.

    Raises:
        UserError: when no row makes it.
    """
    given = Given(
        knobs=diffusion.policy,
        steps=diffusion.steps // (output_tokens // diffusion.part_length),
        block_length=diffusion.scheduled,
        output_tokens=output_tokens,
    )
    if diffusion.remasking is Remasking.random:
        return random(steps=given.steps, block_length=given.block_length)
    row = POLICIES.get(diffusion.policy.name)
    if row is None:
        raise UserError(f"policy={diffusion.policy.name} has no row in POLICIES of {__name__}: give it one")
    return row(given)


def _threshold(given: Given) -> Policy:
    return Threshold(block_length=given.block_length, threshold=_known(given.knobs.threshold))


def _factor(given: Given) -> Policy:
    knobs = given.knobs
    return Factor(block_length=given.block_length, factor=_known(knobs.factor), rule=_known(knobs.factor_rule))


def _low_confidence_dynamic(given: Given) -> Policy:
    threshold = _known(given.knobs.threshold)
    return LowConfidenceDynamic(steps=given.steps, block_length=given.block_length, threshold=threshold)


def _delayed_threshold(given: Given) -> Policy:
    threshold = _known(given.knobs.threshold)
    return DelayedThreshold(steps=given.steps, output_tokens=given.block_length, threshold=threshold)


def _editing(given: Given) -> Policy:
    knobs = given.knobs
    return Editing(
        block_length=given.block_length,
        threshold=_known(knobs.threshold),
        editing_threshold=_known(knobs.editing_threshold),
        max_post_steps=_known(knobs.max_post_steps),
        transfers=_known(knobs.transfers),
    )


def _of_dream(score: Score) -> Callable[[Given], Policy]:
    return lambda given: DreamSchedule(
        steps=given.steps, output_tokens=given.output_tokens, eps=_known(given.knobs.eps), score=score
    )


def _known(value: Knob | None) -> Knob:
    """A knob of the policy's own, which its settings are never without."""
    assert value is not None
    return value


POLICIES: Mapping[str, Callable[[Given], Policy]] = {
    PolicyName.quota: lambda given: Quota(steps=given.steps, block_length=given.block_length),
    PolicyName.margin: lambda given: margin(steps=given.steps, block_length=given.block_length),
    PolicyName.entropy: lambda given: entropy(steps=given.steps, block_length=given.block_length),
    PolicyName.sequential: lambda given: Sequential(steps=given.steps, block_length=given.block_length),
    PolicyName.threshold: _threshold,
    PolicyName.factor: _factor,
    PolicyName.entropy_bounded: lambda given: EntropyBounded(
        block_length=given.block_length, gamma=_known(given.knobs.gamma)
    ),
    PolicyName.low_confidence_dynamic: _low_confidence_dynamic,
    PolicyName.delayed_threshold: _delayed_threshold,
    PolicyName.editing: _editing,
    PolicyName.maskgit_plus: _of_dream(Score.confidence),
    PolicyName.topk_margin: _of_dream(Score.margin),
    PolicyName.dream_entropy: _of_dream(Score.dream_entropy),
    PolicyName.origin: lambda given: Origin(steps=given.steps, eps=_known(given.knobs.eps)),
}
"""One row a policy."""
