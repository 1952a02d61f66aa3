"""Whether a run did the work that it was timed for; checked after the clock has stopped."""

from collections.abc import Sequence

import torch

from benchmark.decoders.interface import Generation, padded
from benchmark.decoders.prompts import Prompt
from benchmark.measurement.measure import Measured, Timed
from benchmark.roofline.work import expected_forward_passes
from crossover.errors import BrokenProtocolError
from crossover.records.run import Run
from crossover.records.settings import Engine


def check_equal_work(
    run: Run, measured: Measured, rows: Sequence[tuple[int, ...]], prompts: Sequence[Prompt], mask_id: int | None
) -> None:
    """Look at every output of a run, those of the memory pass among them.

    Raises:
        BrokenProtocolError: when an output is not as agreed; the message says what was expected and what was there.
    """
    outputs = [(rows[0], measured.untimed), *zip(rows, (timed.generation for timed in measured.samples), strict=True)]
    for row, generation in outputs:
        _check_size(run, generation)
        if run.engine is not Engine.published:  # the published loop may choose the mask as a token
            _check_masks(generation, mask_id)
        _check_prompts(generation, [prompts[index].tokens for index in row])
    for timed in measured.samples:
        _check_steps(run, timed)
    _check_repeats(outputs)


def _check_size(run: Run, generation: Generation) -> None:
    shape, expected = tuple(generation.tokens_BN.shape), (run.batch, run.output_tokens)
    if shape != expected:
        raise BrokenProtocolError(f"the output has {shape[0]} x {shape[1]} tokens, not {expected[0]} x {expected[1]}")
    fewest, most = expected_forward_passes(run, fewest=True), expected_forward_passes(run)
    if not fewest <= generation.forward_passes <= most:
        allowed = str(most) if fewest == most else f"{fewest} to {most}"
        raise BrokenProtocolError(
            f"the decoder made {generation.forward_passes} forward passes where its schedule has {allowed}"
        )


def _check_steps(run: Run, timed: Timed) -> None:
    """Check the timed phases: a prefill and a step a further token; with diffusion, a step a pass or guided pair.

    Where a share of the passes is made, as many steps as that.
    """
    timing, forward_passes = timed.timing, timed.generation.forward_passes
    guided = run.diffusion is not None and run.diffusion.guidance_scale > 0
    prefills = 0 if run.diffusion else 1
    expected = forward_passes // (2 if guided else 1) - prefills
    if timed.forwards is not None:
        expected = len(timed.forwards.index)
    timed_prefills, timed_steps = int(timing.prefill_s is not None), len(timing.step_s)
    if (timed_prefills, timed_steps) != (prefills, expected):
        raise BrokenProtocolError(
            f"{timed_prefills} prefills and {timed_steps} steps were timed "
            f"where the schedule has {prefills} and {expected}"
        )


def _check_masks(generation: Generation, mask_id: int | None) -> None:
    left = 0 if mask_id is None else int((generation.tokens_BN == mask_id).sum())
    if left:
        raise BrokenProtocolError(f"{left} mask tokens are left in the output of a batch")


def _check_prompts(generation: Generation, expected: list[list[int]]) -> None:
    if generation.prompts_BP is None:
        return
    width = generation.prompts_BP.shape[1]
    changed = (generation.prompts_BP.cpu() != torch.tensor([padded(tokens, width) for tokens in expected])).sum()
    if changed:
        raise BrokenProtocolError(f"{int(changed)} prompt tokens of a batch were changed while it was decoded")


def _check_repeats(outputs: Sequence[tuple[tuple[int, ...], Generation]]) -> None:
    """Check that the same prompts gave the same tokens; noise depends on the prompt and not on the repeat."""
    first: dict[tuple[int, ...], Generation] = {}
    for row, generation in outputs:
        other = first.setdefault(row, generation)
        if generation.forward_passes != other.forward_passes:
            raise BrokenProtocolError(
                f"{generation.forward_passes} and {other.forward_passes} forward passes were made"
                " in two repeats on the same prompts"
            )
        differing = int((generation.tokens_BN != other.tokens_BN).sum())
        if differing:
            raise BrokenProtocolError(
                f"{differing} of {generation.tokens_BN.numel()} tokens differ between two repeats on the same prompts"
            )
