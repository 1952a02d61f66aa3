"""From the configuration to how a diffusion model samples: its policy, its cache, its blocks."""

from benchmark.config.groups import CacheConfig, PolicyConfig
from benchmark.config.schema import Config
from crossover.errors import UserError
from crossover.records.policies import KNOWN, OWNERS, QUOTA, Blocks, Cache, Policy, Rows, check_knob
from crossover.records.run import split_length
from crossover.records.settings import Diffusion, Remasking, at_least


def to_diffusion(config: Config) -> Diffusion:
    """How a diffusion model samples. Under a policy that follows the text, `steps` is the most that it can take.

    Raises:
        UserError: when a value is not allowed.
    """
    output_tokens = split_length(config.length, config.prompt_fraction)[1]
    policy, remasking = _policy(config.policy), config.model.remasking
    if config.policy.name == Remasking.random:
        remasking = Remasking.random
    return Diffusion(
        steps=config.steps if policy.has_steps else output_tokens,
        block_length=_block_length(config, output_tokens),
        blocks=Blocks.output if config.model.block_length is None else Blocks.sequence,
        remasking=remasking,
        guidance_scale=config.model.guidance_scale,
        policy=policy,
        cache=_cache(config.cache),
        rows=config.rows if policy.is_self_paced else Rows.together,  # the others never wait
        sub_block_length=config.sub_block_length,
        causal_context=config.causal_context,
    )


def _block_length(config: Config, output_tokens: int) -> int:
    """What was asked for, or the model's own blocks, or the whole output."""
    own = config.model.block_length
    if own is not None:
        at_least("model.block_length", own, 1)
    usual = output_tokens if own is None else own
    return usual if config.block_length is None else config.block_length


def _policy(config: PolicyConfig) -> Policy:
    """The policy with its own knobs; random order is a run's remasking, and goes by the published schedule.

    Raises:
        UserError: when a knob has a value that is not allowed, also where another policy reads it.
    """
    if config.name == Remasking.random:
        return QUOTA
    read = _knobs_read(config)
    for knob in OWNERS.keys() - read:
        if (value := getattr(config, knob)) is not None:  # it changes nothing here, yet a typo in it is a typo
            check_knob(knob, value)
    return Policy(name=config.name, pace=config.pace, **{knob: getattr(config, knob) for knob in read})


def _knobs_read(config: PolicyConfig) -> set[str]:
    if config.name not in KNOWN:
        named = set() if config.knobs is None else set(config.knobs.split(","))
        if unknown := sorted(named - OWNERS.keys()):
            raise UserError(f"policy.knobs has {unknown[0]!r}, which is none: give some of {', '.join(OWNERS)}")
        return named
    if config.knobs is not None:
        raise UserError(
            f"policy.knobs={config.knobs} is for a policy of your own: leave it out of policy={config.name}"
        )
    return {knob for knob, owners in OWNERS.items() if config.name in owners}


def _cache(config: CacheConfig) -> Cache | None:
    if config.name is None:
        if config.refresh is not None:
            raise UserError(f"cache.refresh={config.refresh} needs a cache: give cache=prefix or cache=dual")
        return None
    return Cache(name=config.name, refresh=config.refresh)
