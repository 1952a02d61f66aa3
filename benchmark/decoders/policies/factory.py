"""From a run's settings to its policy. A new policy is a file, a row here, a name in PolicyName and a YAML."""

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
from crossover.records import policies as settings
from crossover.records.policies import DREAM, PolicyName
from crossover.records.settings import Diffusion, Remasking


def make_policy(diffusion: Diffusion, output_tokens: int) -> Policy:
    """The policy for blocks of an output of so many tokens."""
    name, steps = diffusion.policy.name, diffusion.steps // (output_tokens // diffusion.block_length)
    if diffusion.remasking is Remasking.random:
        return random(steps=steps, block_length=diffusion.block_length)
    if name in SCHEDULED:
        return SCHEDULED[name](steps=steps, block_length=diffusion.block_length)
    if name in DREAM:
        return _of_dream(diffusion.policy, steps, output_tokens)
    return _self_paced(diffusion.policy, steps, diffusion.block_length)


SCHEDULED = {
    PolicyName.quota: Quota,
    PolicyName.margin: margin,
    PolicyName.entropy: entropy,
    PolicyName.sequential: Sequential,
}
"""Policies that write the schedule's share, and differ in what they rank by."""

DREAM_SCORES = {
    PolicyName.maskgit_plus: Score.confidence,
    PolicyName.topk_margin: Score.margin,
    PolicyName.dream_entropy: Score.dream_entropy,
}


def _of_dream(knobs: settings.Policy, steps: int, output_tokens: int) -> Policy:
    assert knobs.eps is not None
    if knobs.name is PolicyName.origin:
        return Origin(steps=steps, eps=knobs.eps)
    return DreamSchedule(steps=steps, output_tokens=output_tokens, eps=knobs.eps, score=DREAM_SCORES[knobs.name])


def _self_paced(knobs: settings.Policy, steps: int, block_length: int) -> Policy:
    if knobs.gamma is not None:
        return EntropyBounded(block_length=block_length, gamma=knobs.gamma)
    if knobs.factor is not None:
        assert knobs.factor_rule is not None
        return Factor(block_length=block_length, factor=knobs.factor, rule=knobs.factor_rule)
    assert knobs.threshold is not None
    match knobs.name:
        case PolicyName.low_confidence_dynamic:
            return LowConfidenceDynamic(steps=steps, block_length=block_length, threshold=knobs.threshold)
        case PolicyName.delayed_threshold:
            return DelayedThreshold(steps=steps, output_tokens=block_length, threshold=knobs.threshold)
        case PolicyName.editing:
            return _editing(knobs, knobs.threshold, block_length)
    return Threshold(block_length=block_length, threshold=knobs.threshold)


def _editing(knobs: settings.Policy, threshold: float, block_length: int) -> Policy:
    assert knobs.editing_threshold is not None
    assert knobs.max_post_steps is not None
    assert knobs.transfers is not None
    return Editing(
        block_length=block_length,
        threshold=threshold,
        editing_threshold=knobs.editing_threshold,
        max_post_steps=knobs.max_post_steps,
        transfers=knobs.transfers,
    )
