"""What a model's attention and the order of its blocks have no use for, refused before anything runs."""

from crossover.errors import UserError
from crossover.records.policies import OF_BLOCKS, Blocks, Cache, CacheName, Policy, PolicyName


def check_blocks(blocks: Blocks, policy: Policy, cache: Cache | None, guidance_scale: float) -> None:
    """Refuse caches, policies and guidance that the model's attention has not.

    Raises:
        UserError: naming the value and what is allowed.
    """
    if blocks is Blocks.output:
        _check_output(policy, cache)
        return
    if policy.is_of_whole_output:
        raise UserError(
            f"policy={policy.name} writes anywhere in the output, and a block-causal model block by block:"
            " use another policy"
        )
    if cache is not None and cache.name not in OF_BLOCKS:
        raise UserError(f"cache={cache.name} is lossy, and this model is block-causal: use cache=exact")
    if guidance_scale:
        raise UserError("model.guidance_scale is not for block-causal models: leave it out")


def _check_output(policy: Policy, cache: Cache | None) -> None:
    if cache is not None and cache.name in OF_BLOCKS:
        raise UserError(
            f"cache={cache.name} is for block-causal models, whose finished blocks nothing changes:"
            " use cache=none, prefix or dual"
        )
    if policy.name == PolicyName.editing:
        raise UserError("policy=editing is for block-causal models: use another policy")
    if policy.is_of_whole_output and cache is not None:
        raise UserError(f"policy={policy.name} has the whole output as its block: use cache=none")


def check_sub_blocks(
    sub_block_length: int | None, block_length: int, blocks: Blocks, policy: Policy, cache: Cache | None
) -> None:
    """Refuse sub-blocks where nothing cuts blocks into them, and their cache without them.

    Raises:
        UserError: naming the value and what is allowed.
    """
    kept = None if cache is None else cache.name
    if sub_block_length is None:
        if kept is CacheName.sub_block:
            raise UserError("cache=sub_block needs sub-blocks: give sub_block_length, or use cache=exact")
        return
    given = f"sub_block_length={sub_block_length}"
    if sub_block_length < 1 or block_length % sub_block_length:
        raise UserError(f"{given} does not divide block_length={block_length}: give a number that does")
    _check_kept(given, blocks, policy, cache)
    if kept is CacheName.sub_block and policy.has_steps:
        raise UserError(
            f"cache=sub_block is for policies that follow the text, and policy={policy.name} has steps:"
            " use policy=threshold, factor or entropy_bounded, or cache=exact"
        )


def check_causal_context(sub_block_length: int | None, blocks: Blocks, policy: Policy, cache: Cache | None) -> None:
    """Refuse a causal context where none is kept.

    Raises:
        UserError: naming the value and what is allowed.
    """
    _check_kept("causal_context=true", blocks, policy, cache)
    if sub_block_length is not None:
        raise UserError("causal_context=true has no sub-blocks: leave sub_block_length out")


def _check_kept(given: str, blocks: Blocks, policy: Policy, cache: Cache | None) -> None:
    """Both orders take a block's first token from the pass that keeps what is before it."""
    if blocks is Blocks.output:
        raise UserError(f"{given} is for block-causal models: leave it out")
    if cache is None:
        raise UserError(f"{given} begins blocks from kept keys and values: use cache=exact")
    if policy.name == PolicyName.editing:
        raise UserError(f"{given} is not for policy=editing: use another policy")
