"""Block diffusion: a block-causal model writes one block after another, each as masked diffusion.

Published loops: generate.py of JetAstra/SDAR, commit c2041a83, with kept keys and values; LLaDA2's own and LLaDA2.1's,
without. A position attends to its own block and to those before it. So keys and values of a finished block never
change, and keeping them is exact: the text is that of a program which computes everything anew each time. With the
exact cache one forward pass reads the prompt's whole blocks; each block is then computed alone, and once more when it
has no masks, which keeps its own keys and values. Without a cache a forward pass computes everything up to the block's
end.

Left out, with the same tokens: logits where no token can be written. The mask token is never written.

Dimensions: B rows, P prompt tokens, N output tokens, L tokens of the canvas, M positions of a block, D hidden.
"""

from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor

from benchmark.decoders.blocks.canvas import BlockCanvas, BlockLayout, block_canvas, block_layout
from benchmark.decoders.interface import Batch, Edit, Generation, Phase, Phases
from benchmark.decoders.left import Courier, Left, courier_from
from benchmark.decoders.open_positions import OpenPositions
from benchmark.decoders.policies.blocks.editing import Editing
from benchmark.decoders.policies.interface import Policy
from benchmark.decoders.schedule import Forward
from benchmark.engines.interface import CanvasPasses
from benchmark.engines.sampling.head import Choice, Head
from benchmark.engines.sampling.noise import cells, uniform
from benchmark.engines.sampling.scores import Score


@dataclass(frozen=True, kw_only=True)
class _Step:
    """A forward pass: its number among those of its block, and in the generation for its noise; what it computes."""

    forward: int
    number: int
    computed: range
    before_B1D: Tensor | None


@dataclass(frozen=True, kw_only=True)
class BlockDiffusionDecoder:
    """Writes the masks of one block after another. A row that is done with its block waits for the others.

    With `keeps` the exact cache is used. With `is_shifted` the logits of a position are made at the one before it.
    `timed` are the forward passes that are made, counted from 0; None makes all of them.
    """

    passes: CanvasPasses
    head: Head
    mask_id: int
    policy: Policy | Editing
    block_length: int
    keeps: bool
    is_shifted: bool = False
    courier: Courier | None = None
    timed: frozenset[int] | None = None

    def prepare(self, batch: Batch, output_tokens: int) -> float:
        """See Decoder."""
        layout = block_layout(batch, output_tokens, self.block_length)
        return self.passes.prepare(
            len(batch.tokens_BP),
            layout.whole,
            layout.length - layout.whole,
            padded=batch.padding_BP is not None,
            widths=self._widths(layout),
            block_length=self.block_length,
        )

    @torch.inference_mode()
    def decode(self, batch: Batch, output_tokens: int, phases: Phases) -> Generation:
        """Generate exactly `output_tokens` tokens a row."""
        self.prepare(batch, output_tokens)
        layout = block_layout(batch, output_tokens, self.block_length)
        canvas = block_canvas(batch, layout, self.mask_id)
        before_B1D = self._keep(canvas, range(layout.whole), phases) if self.keeps and layout.whole else None
        for index, block in enumerate(layout.blocks):
            number = index * self.policy.most_forwards
            if isinstance(self.policy, Editing):
                self._edit(canvas, self.policy, block, number, before_B1D, phases)
            else:
                self._fill(canvas, block, number, before_B1D, phases)
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

    def _widths(self, layout: BlockLayout) -> tuple[int, ...]:
        """How many positions a forward pass computes, each number once, falling; none where all compute the canvas."""
        widths = {layout.whole, self.block_length} if self.keeps else {block.stop for block in layout.blocks}
        return tuple(sorted(widths - {0}, reverse=True)) if widths - {0, layout.length} else ()

    def _keep(self, canvas: BlockCanvas, window: range, phases: Phases) -> Tensor | None:
        """Compute what is finished, for its keys and values; with shifted logits, the last position's hidden states."""
        last_BM = canvas.positions(range(window.stop - 1, window.stop) if self.is_shifted else range(0))
        rows, read = last_BM.shape
        forward = Forward(rows=rows, computed=len(window), read=read, seen=window.stop)
        if self._leaves_out(canvas, forward, phases):
            return None
        canvas.forwards.append(forward)
        hidden_BMD = self.passes.hidden(canvas.tokens_BL, canvas.padding_BL, last_BM, window)
        phases.mark(Phase.step)
        return hidden_BMD if self.is_shifted else None

    def _fill(self, canvas: BlockCanvas, block: range, number: int, before_B1D: Tensor | None, phases: Phases) -> None:
        """Write all masks of a block."""
        masked = canvas.open_positions(block)
        left = Left(self.courier or courier_from(canvas.tokens_BL.device), [masked.most])
        for forward in count():
            if not left.is_far and not left.learn():
                return
            step = self._step(block, forward, number, before_B1D)
            if self._leaves_out(canvas, self._forward(masked.positions_BM, step), phases):
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

    def _left(self, masked: OpenPositions, written_BM: Tensor, forward: int, left: Left) -> OpenPositions:
        """What is left after a forward pass; the host learns it later where it was not planned."""
        planned = self._planned(masked, forward)
        if planned is not None:
            masked = masked.without(written_BM, planned)
            left.tell(masked.most)
            return masked
        open_BM = masked.left(written_BM)
        left.ask(open_BM)
        return masked.only_open(open_BM, left.most)

    def _write(self, canvas: BlockCanvas, masked: OpenPositions, step: _Step) -> Tensor:
        """One forward pass: choose tokens, let the policy choose positions, write there; returns where."""
        choice = self._predict(canvas, masked.positions_BM, step)
        scores_BM = self._scores(canvas, choice, masked.positions_BM, step)
        written_BM = masked.only(self.policy.choose(masked.closed(scores_BM), step.forward))
        self._put(canvas, masked.positions_BM, choice.tokens_BM, written_BM)
        return written_BM

    def _settle(self, canvas: BlockCanvas, positions_BM: Tensor, step: _Step, phases: Phases) -> None:
        """Make a block's first timed forward pass, untimed, until the device works as it does in the midst of a run."""
        while not phases.is_settled():
            self._predict(canvas, positions_BM, step)
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
        any_BM = torch.full_like(masked.positions_BM, 1 if self.mask_id == 0 else 0)
        self._put(canvas, masked.positions_BM, any_BM, written_BM)
        return written_BM

    def _edit(
        self,
        canvas: BlockCanvas,
        policy: Editing,
        block: range,
        number: int,
        before_B1D: Tensor | None,
        phases: Phases,
    ) -> None:
        """Write all masks of a block, and replace tokens of it that are written; see policies/blocks/editing.py."""
        positions_BM = canvas.positions(block)
        own_BM = canvas.own(positions_BM)
        masked_BM, runs_B1, forward = own_BM, own_BM.any(dim=1, keepdim=True), 0
        post_steps_B1 = torch.zeros_like(runs_B1, dtype=torch.long)
        while True:
            has_masks_B1 = masked_BM.any(dim=1, keepdim=True)
            post_steps_B1 = post_steps_B1 + ~has_masks_B1
            runs_B1 = runs_B1 & (has_masks_B1 | (post_steps_B1 <= policy.max_post_steps))
            if not runs_B1.any():
                return
            choice = self._predict(canvas, positions_BM, self._step(block, forward, number, before_B1D))
            scores_BM = choice.scores_BM
            written_BM = policy.choose(scores_BM.masked_fill(~masked_BM, -torch.inf), forward) & masked_BM & runs_B1
            tokens_BM = canvas.tokens_BL.gather(1, positions_BM)
            written_before_BM = own_BM & ~masked_BM & runs_B1
            edited_BM = policy.replaced(scores_BM, choice.tokens_BM, tokens_BM, written_before_BM)
            self._put(canvas, positions_BM, choice.tokens_BM, written_BM)
            self._replace(canvas, positions_BM, choice.tokens_BM, edited_BM)
            runs_B1 = runs_B1 & (has_masks_B1 | edited_BM.any(dim=1, keepdim=True))
            masked_BM = masked_BM & ~written_BM
            phases.mark(Phase.step)
            forward += 1

    def _put(self, canvas: BlockCanvas, positions_BM: Tensor, tokens_BM: Tensor, written_BM: Tensor) -> None:
        """Write tokens, and the number of the forward pass that did."""
        canvas.put(positions_BM, tokens_BM, written_BM, canvas.tokens_BL)
        passes_BM = torch.full_like(tokens_BM, len(canvas.forwards))
        canvas.put(positions_BM, passes_BM, written_BM, canvas.written_at_BL)

    def _replace(self, canvas: BlockCanvas, positions_BM: Tensor, tokens_BM: Tensor, edited_BM: Tensor) -> None:
        """Replace tokens, and note those of the output."""
        canvas.put(positions_BM, tokens_BM, edited_BM, canvas.tokens_BL)
        outputs_BM = positions_BM - canvas.firsts_B1
        noted_BM = edited_BM & (outputs_BM < canvas.layout.output_tokens)
        rows = noted_BM.nonzero()[:, 0].tolist()
        outputs, tokens = outputs_BM[noted_BM].tolist(), tokens_BM[noted_BM].tolist()
        step = len(canvas.forwards)
        canvas.edits.extend(
            Edit(step, row, output, token) for row, output, token in zip(rows, outputs, tokens, strict=True)
        )

    def _step(self, block: range, forward: int, number: int, before_B1D: Tensor | None) -> _Step:
        computed = block if self.keeps else range(block.stop)
        return _Step(forward=forward, number=number + forward, computed=computed, before_B1D=before_B1D)

    def _forward(self, positions_BM: Tensor, step: _Step) -> Forward:
        rows, read = positions_BM.shape
        return Forward(rows=rows, computed=len(step.computed), read=read, seen=step.computed.stop)

    def _scores(self, canvas: BlockCanvas, choice: Choice, positions_BM: Tensor, step: _Step) -> Tensor:
        if self.policy.score is Score.chance:
            return uniform(_cells(canvas, positions_BM, step))
        return choice.scores_BM

    def _predict(self, canvas: BlockCanvas, positions_BM: Tensor, step: _Step) -> Choice:
        computed = step.computed
        canvas.forwards.append(self._forward(positions_BM, step))
        read_BM = (positions_BM - 1).clamp(min=computed.start) if self.is_shifted else positions_BM
        hidden_BMD = self.passes.hidden(canvas.tokens_BL, canvas.padding_BL, read_BM, computed)
        if self.is_shifted and step.before_B1D is not None:  # what the block before gave, which this pass does not see
            is_first_BM1 = (positions_BM == computed.start)[..., None]
            hidden_BMD = step.before_B1D.where(is_first_BM1, hidden_BMD)
        return self.head.choose(hidden_BMD, _cells(canvas, positions_BM, step))


def _cells(canvas: BlockCanvas, positions_BM: Tensor, step: _Step) -> Tensor:
    """Noise of each position; it goes with the output's position, not with the prompt's length."""
    return cells(canvas.streams_B, step.number, positions_BM - canvas.firsts_B1)
