"""Block diffusion: a block-causal model writes one block after another, each as masked diffusion.

Published loops: generate.py of JetAstra/SDAR, commit c2041a83, with kept keys and values; LLaDA2's own and LLaDA2.1's,
without. A position attends to its own block and to those before it. So keys and values of a finished block never
change, and keeping them is exact: the text is that of a program which computes everything anew each time. With the
exact cache one forward pass reads the prompt's whole blocks; each block is then computed alone, and once more when it
has no masks, which keeps its own keys and values. Without a cache a forward pass computes everything up to the block's
end.

Two published samplers have another order. Both write the first token of a block at once, as the pass chooses it that
keeps what is before the block. Fast-dLLM v2's then decides a block's sub-blocks one after another (sub_blocks.py).
Nemotron-Labs-Diffusion's keeps keys and values that attend causally, and cuts the blocks from the prompt's end on.

Left out, with the same tokens: logits where no token can be written. The mask token is never written.

Dimensions: B rows, P prompt tokens, N output tokens, L tokens of the canvas, M positions of a block, D hidden.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count

import torch
from torch import Tensor

from benchmark.decoders.blocks.canvas import BlockCanvas, BlockLayout, block_canvas, block_layout
from benchmark.decoders.blocks.editing import edit_block
from benchmark.decoders.blocks.step import Predictor, Step, put_tokens
from benchmark.decoders.blocks.sub_blocks import fill_sub_block
from benchmark.decoders.interface import Batch, Generation, Phase, Phases
from benchmark.decoders.open_positions import OpenPositions
from benchmark.decoders.policies.blocks.editing import Editing
from benchmark.decoders.policies.interface import Policy
from benchmark.decoders.remaining import Readback, Remaining, readback_from
from benchmark.decoders.schedule import Forward
from benchmark.engines.interface import CanvasPasses
from benchmark.engines.sampling.head import Head


@dataclass(frozen=True, kw_only=True)
class BlockDiffusionDecoder:
    """Writes the masks of one block after another. A row that is done with its block waits for the others.

    With `keeps` the exact cache is used. With `is_shifted` the logits of a position are made at the one before it.
    With a `part_length` a block is decided in sub-blocks of so many positions, and with `keeps_parts` each of them
    against kept keys of its block. With `is_causal` what is kept attends causally, and the prompt's end begins a block.
    `timed` are the forward passes that are made, counted from 0; None makes all of them. A `predictor` stands in for
    the model's own choice of tokens.
    """

    passes: CanvasPasses
    head: Head
    mask_id: int
    policy: Policy | Editing
    block_length: int
    keeps: bool
    is_shifted: bool = False
    readback: Readback | None = None
    timed: frozenset[int] | None = None
    part_length: int | None = None
    keeps_parts: bool = False
    is_causal: bool = False
    predictor: Predictor | None = None

    def prepare(self, batch: Batch, output_tokens: int) -> float:
        """See Decoder."""
        layout = self._layout(batch, output_tokens)
        return self.passes.prepare(
            len(batch.tokens_BP),
            layout.whole,
            layout.length - layout.whole,
            padded=batch.padding_BP is not None,
            widths=self._widths(layout),
            block_length=self.block_length,
            causal_widths=tuple(sorted({layout.whole, self.block_length}, reverse=True)) if self.is_causal else (),
        )

    @torch.inference_mode()
    def decode(self, batch: Batch, output_tokens: int, phases: Phases) -> Generation:
        """Generate exactly `output_tokens` tokens a row."""
        self.prepare(batch, output_tokens)
        layout = self._layout(batch, output_tokens)
        canvas = block_canvas(batch, layout, self.mask_id)
        before_B1D = self._keep(canvas, range(layout.whole), phases) if self.keeps and layout.whole else None
        for index, block in enumerate(layout.blocks):
            number = index * self._most_forwards
            if self._begins_blocks and block.start:
                self._begin(canvas, block, number, before_B1D)
            self._write_block(canvas, block, number, before_B1D, phases)
            if self.keeps:
                before_B1D = self._keep(canvas, block, phases)
        prompt_tokens = batch.tokens_BP.shape[1]
        return Generation(
            tokens_BN=canvas.output(canvas.tokens_BL),
            forward_passes=len(canvas.forwards),
            prompts_BP=canvas.tokens_BL[:, :prompt_tokens] if batch.padding_BP is None else None,
            forwards=tuple(canvas.forwards),
            written_at_BN=canvas.output(canvas.written_at_BL),
            edits=tuple(canvas.edits),
            spare_passes=len(canvas.spare),
        )

    @property
    def _begins_blocks(self) -> bool:
        """Whether a block's first token is written before its own first pass."""
        return self.is_causal or self.part_length is not None

    @property
    def _parts(self) -> int:
        """Parts of a block that are decided one after another."""
        return self.block_length // (self.part_length or self.block_length)

    @property
    def _most_forwards(self) -> int:
        """The most forward passes of a block."""
        return self._parts * self.policy.most_forwards

    @property
    def _predictor(self) -> Predictor:
        return self.predictor or Predictor(
            passes=self.passes, head=self.head, is_shifted=self.is_shifted, score=self.policy.score
        )

    def _layout(self, batch: Batch, output_tokens: int) -> BlockLayout:
        if not self.is_causal:
            return block_layout(batch, output_tokens, self.block_length)
        rows, prompt_tokens = batch.tokens_BP.shape
        return BlockLayout(
            whole=prompt_tokens, tails=(0,) * rows, output_tokens=output_tokens, block_length=self.block_length
        )

    def _widths(self, layout: BlockLayout) -> tuple[int, ...]:
        """How many positions a forward pass computes, each number once, falling; none where all compute the canvas."""
        widths = {layout.whole, self.block_length} if self.keeps else {block.stop for block in layout.blocks}
        if self.is_causal:
            widths = {self.block_length}
        if self.keeps_parts:
            widths.add(self.block_length // self._parts)
        return tuple(sorted(widths - {0}, reverse=True)) if widths - {0, layout.length} else ()

    def _keep(self, canvas: BlockCanvas, window: range, phases: Phases) -> Tensor | None:
        """Compute what is finished, for its keys and values; hidden states of its last position where they are read."""
        reads = self.is_shifted or self.is_causal
        last_BM = canvas.positions(range(window.stop - 1, window.stop) if reads else range(0))
        rows, read = last_BM.shape
        forward = Forward(rows=rows, computed=len(window), read=read, seen=window.stop)
        if self._leaves_out(canvas, forward, phases):
            return None
        compute = partial(
            self.passes.hidden, canvas.tokens_BL, canvas.padding_BL, last_BM, window, is_causal=self.is_causal
        )
        if self._is_behind_a_gap(canvas):
            compute()
            phases.mark(Phase.settling)
        canvas.forwards.append(forward)
        hidden_BMD = compute()
        phases.mark(Phase.step)
        return hidden_BMD if reads else None

    def _begin(self, canvas: BlockCanvas, block: range, number: int, before_B1D: Tensor | None) -> None:
        """Write the first token of a block, which the pass before it chooses; any where that pass was left out."""
        first_B1 = canvas.positions(range(block.start, block.start + 1))
        if before_B1D is None:
            tokens_B1 = torch.full_like(first_B1, self._any_token)
        else:
            tokens_B1 = self._predictor.choose(canvas, first_B1, before_B1D, number).tokens_BM
        put_tokens(canvas, first_B1, tokens_B1, canvas.own(first_B1))

    def _write_block(
        self, canvas: BlockCanvas, block: range, number: int, before_B1D: Tensor | None, phases: Phases
    ) -> None:
        """Write all masks of a block, part by part."""
        step_of = partial(self._step, block, before_B1D=before_B1D)
        if isinstance(self.policy, Editing):
            edit_block(canvas, self._predictor, self.policy, block, partial(step_of, number), phases)
            return
        begun = 1 if self._begins_blocks and block.start else 0
        length = self.block_length // self._parts
        for index, first in enumerate(range(block.start, block.stop, length)):
            masked = canvas.open_positions(range(max(first, block.start + begun), first + length))
            part, passes = range(first, first + length), partial(step_of, number + index * self.policy.most_forwards)
            if not masked.most:
                continue
            if self.keeps_parts:
                fill_sub_block(canvas, self._predictor, self.policy, masked, part, passes(0), phases)
            else:
                self._fill(canvas, masked, passes, phases)

    def _fill(self, canvas: BlockCanvas, masked: OpenPositions, step_of: Callable[[int], Step], phases: Phases) -> None:
        """Write all masks of a part, whose forward passes `step_of` makes."""
        left = Remaining(self.readback or readback_from(canvas.tokens_BL.device), [masked.most])
        for forward in count():
            if not left.is_far and not left.learn():
                return
            step = step_of(forward)
            if self._leaves_out(canvas, step.work(masked.positions_BM), phases):
                written_BM = self._write_any(canvas, masked, self._planned(masked, forward))
                masked = self._left(masked, written_BM, forward, left)
                continue
            if self.timed is not None:
                self._settle(canvas, masked.positions_BM, step, phases)
            written_BM = self._write(canvas, masked, step)
            if not left.learn():
                canvas.spare.append(canvas.forwards.pop())
                phases.mark(Phase.spare)
                return
            canvas.forwards[-1] = canvas.forwards[-1]._replace(read=left.most)
            masked = self._left(masked, written_BM, forward, left)
            phases.mark(Phase.step)

    def _planned(self, masked: OpenPositions, forward: int) -> int | None:
        """How many masks the forward pass writes, where that is known before it."""
        planned = self.policy.planned(forward) if masked.open_BM is None else None
        return None if planned is None else min(planned, masked.most)

    def _left(self, masked: OpenPositions, written_BM: Tensor, forward: int, left: Remaining) -> OpenPositions:
        """What is left after a forward pass; the host learns it later where it was not planned."""
        planned = self._planned(masked, forward)
        if planned is not None:
            masked = masked.without(written_BM, planned)
            left.tell(masked.most)
            return masked
        open_BM = masked.left(written_BM)
        left.ask(open_BM)
        return masked.only_open(open_BM, left.most)

    def _write(self, canvas: BlockCanvas, masked: OpenPositions, step: Step) -> Tensor:
        """One forward pass: choose tokens, let the policy choose positions, write there; returns where."""
        choice = self._predictor.predict(canvas, masked.positions_BM, step)
        written_BM = masked.only(self.policy.choose(masked.closed(choice.scores_BM), step.forward))
        put_tokens(canvas, masked.positions_BM, choice.tokens_BM, written_BM)
        return written_BM

    def _settle(self, canvas: BlockCanvas, positions_BM: Tensor, step: Step, phases: Phases) -> None:
        """Make the first timed forward pass untimed until the device works as amid a run, and any behind a gap once.

        So the device has work while the host queues what is timed.
        """
        is_due = self._is_behind_a_gap(canvas)
        while not phases.is_settled():
            is_due = True
            self._make_untimed(canvas, positions_BM, step, phases)
        if is_due:
            self._make_untimed(canvas, positions_BM, step, phases)

    def _is_behind_a_gap(self, canvas: BlockCanvas) -> bool:
        """Whether the next forward pass follows one that was left out."""
        before = len(canvas.forwards) + len(canvas.left_out) - 1
        return self.timed is not None and before >= 0 and before not in self.timed

    def _make_untimed(self, canvas: BlockCanvas, positions_BM: Tensor, step: Step, phases: Phases) -> None:
        self._predictor.predict(canvas, positions_BM, step)
        canvas.forwards.pop()
        phases.mark(Phase.settling)

    def _leaves_out(self, canvas: BlockCanvas, forward: Forward, phases: Phases) -> bool:
        """Whether the next forward pass is not among those to be made; it is noted then."""
        if self.timed is None or len(canvas.forwards) + len(canvas.left_out) in self.timed:
            return False
        canvas.left_out.append(forward)
        phases.mark(Phase.left_out)
        return True

    def _write_any(self, canvas: BlockCanvas, masked: OpenPositions, planned: int | None) -> Tensor:
        """Write any tokens at the first open positions, as many as the forward pass would; returns where."""
        assert planned is not None, "a policy that follows the text leaves nothing out"
        written_BM = torch.zeros_like(masked.positions_BM, dtype=torch.bool)
        written_BM[:, :planned] = True
        any_BM = torch.full_like(masked.positions_BM, self._any_token)
        put_tokens(canvas, masked.positions_BM, any_BM, written_BM)
        return written_BM

    @property
    def _any_token(self) -> int:
        """A token that is not the mask."""
        return 1 if self.mask_id == 0 else 0

    def _step(self, block: range, number: int, forward: int, before_B1D: Tensor | None) -> Step:
        computed = block if self.keeps else range(block.stop)
        return Step(forward=forward, number=number + forward, computed=computed, before_B1D=before_B1D)
