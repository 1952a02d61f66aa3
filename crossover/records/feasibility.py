"""Schedules that no machine can run."""

from crossover.records.policies import DREAM, PolicyName
from crossover.records.settings import Diffusion


def schedule_problem(diffusion: Diffusion, output_tokens: int) -> str | None:
    """Why the output cannot be written by these blocks and steps; None when it can."""
    block_length = diffusion.block_length
    if output_tokens % block_length:
        return f"block_length={block_length} does not divide the output of {output_tokens} tokens"
    if diffusion.policy.is_of_whole_output and block_length != output_tokens:
        return (
            f"policy={diffusion.policy.name} has one schedule for the whole output:"
            f" block_length={block_length} must be {output_tokens} or null"
        )
    if diffusion.policy.name in DREAM:  # whose steps may write nothing
        return None
    return _steps_problem(diffusion, output_tokens)


def _steps_problem(diffusion: Diffusion, output_tokens: int) -> str | None:
    steps, block_length = diffusion.steps, diffusion.part_length
    blocks = output_tokens // block_length
    if steps > output_tokens:
        return (
            f"steps={steps} is more than the {output_tokens} masked tokens:"
            f" the steps past {output_tokens} would change no token"
        )
    if steps % blocks:
        return (
            f"steps={steps} does not divide over {blocks} {'sub-' if diffusion.sub_block_length else ''}blocks"
            f" (output {output_tokens}, block_length {block_length}): use a multiple of {blocks}"
        )
    if diffusion.policy.name == PolicyName.delayed_threshold and output_tokens % steps:
        return f"steps={steps} does not divide the output of {output_tokens} tokens, as policy=delayed_threshold needs"
    return None
