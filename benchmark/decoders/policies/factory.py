"""From a run's settings to its policy. A new policy is a file, a row here, a name in PolicyName and a YAML."""

from benchmark.decoders.policies.entropy import entropy
from benchmark.decoders.policies.entropy_bounded import EntropyBounded
from benchmark.decoders.policies.factor import Factor
from benchmark.decoders.policies.interface import Policy
from benchmark.decoders.policies.margin import margin
from benchmark.decoders.policies.quota import Quota
from benchmark.decoders.policies.random import random
from benchmark.decoders.policies.threshold import Threshold
from crossover.records import policies as settings
from crossover.records.policies import PolicyName
from crossover.records.settings import Diffusion, Remasking


def make_policy(diffusion: Diffusion, output_tokens: int) -> Policy:
    """The policy for blocks of an output of so many tokens."""
    if diffusion.policy.is_self_paced:
        return _self_paced(diffusion.policy, diffusion.block_length)
    steps = diffusion.steps // (output_tokens // diffusion.block_length)
    if diffusion.remasking is Remasking.random:
        return random(steps=steps, block_length=diffusion.block_length)
    return SCHEDULED[diffusion.policy.name](steps=steps, block_length=diffusion.block_length)


SCHEDULED = {PolicyName.quota: Quota, PolicyName.margin: margin, PolicyName.entropy: entropy}
"""Policies that write the schedule's share, and differ in what they rank by."""


def _self_paced(knobs: settings.Policy, block_length: int) -> Policy:
    if knobs.threshold is not None:
        return Threshold(block_length=block_length, threshold=knobs.threshold)
    if knobs.gamma is not None:
        return EntropyBounded(block_length=block_length, gamma=knobs.gamma)
    assert knobs.factor is not None
    assert knobs.factor_rule is not None
    return Factor(block_length=block_length, factor=knobs.factor, rule=knobs.factor_rule)
