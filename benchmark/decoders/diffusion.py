"""LLaDA's masked-diffusion sampling: the published tokens, without the work that changes none of them.

Published algorithm: Nie et al., Large Language Diffusion Models, arXiv 2502.09992, algorithms 4 and 5. Which positions
a forward pass writes is its policy's to say (folder `policies`), which positions it computes its cache's (schedule.py).
What is left out here, with the same tokens: logits where no token can be written, steps that write nothing, softmax
tensors, and, where the policy tells beforehand how many positions it writes, every synchronisation with the host.
Where it does not, each forward pass asks the device how many are left, and the answer comes while the next one runs
(remaining.py).

Three things differ on purpose. The mask token is never written. A mask token inside the prompt stays
there and takes no step's quota. Among equal scores the lower position is written first.

Dimensions: B rows, P prompt tokens, N output tokens, L = P + N, M open positions of the block,
D hidden.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import torch
from torch import Tensor

from benchmark.decoders.interface import Batch, Generation, Phase, Phases
from benchmark.decoders.open_positions import OpenPositions, whole_block
from benchmark.decoders.policies.dream.schedule import drawn
from benchmark.decoders.policies.interface import Policy
from benchmark.decoders.remaining import Readback, Remaining, readback_from
from benchmark.decoders.row_progress import at_the_first_block
from benchmark.decoders.schedule import Forward, blocks_of, computed_positions, window_widths
from benchmark.engines.interface import CanvasPasses
from benchmark.engines.sampling.head import Choice, Head
from benchmark.engines.sampling.noise import cells, uniform
from benchmark.engines.sampling.scores import Score
from crossover.records.policies import Cache, Rows


@dataclass(frozen=True, kw_only=True)
class _Canvas:
    """The sequence being written, what does not change while it is, and what was done to it.

    `spare` are the forward passes that wrote nothing, which are not among `forwards`.
    """

    tokens_BL: Tensor
    written_at_BL: Tensor
    padding_BL: Tensor | None
    prompt_tokens: int
    streams_B: Tensor
    forwards: list[Forward] = field(default_factory=list)
    spare: list[Forward] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class _Step:
    """A forward pass: its number in its block, which policies that follow the text do not read, and in the generation.

    The second is for its noise, and may be one for each row.
    """

    forward: int
    number: int | Tensor
    computed: range


@dataclass(frozen=True, kw_only=True)
class MaskedDiffusionDecoder:
    """Writes the masked positions of one block after another. A row that is done with its block waits for the others.

    With `rows` independent it goes on to its next block, where the policy follows the text and nothing is kept.
    With `guidance_scale` above 0 each step makes a second pass with the prompt masked. `timed` are the forward passes
    that are made, counted from 0; None makes all of them. With `is_shifted` the logits of a position are those that the
    model gives at the position before it; the first that a pass computes keeps its own. With a `position_temperature`
    positions are drawn by their scores, see policies/dream/schedule.py.
    """

    passes: CanvasPasses
    head: Head
    mask_id: int
    policy: Policy
    block_length: int
    cache: Cache | None = None
    guidance_scale: float = 0.0
    rows: Rows = Rows.together
    timed: frozenset[int] | None = None
    readback: Readback | None = None
    is_shifted: bool = False
    position_temperature: float | None = None

    def prepare(self, batch: Batch, output_tokens: int) -> float:
        """See Decoder."""
        rows, prompt_tokens = batch.tokens_BP.shape
        blocks = blocks_of(prompt_tokens, output_tokens, self.block_length)
        widths = window_widths(self.cache, prompt_tokens + output_tokens, blocks)
        padded = batch.padding_BP is not None
        return self.passes.prepare(rows, prompt_tokens, output_tokens, padded=padded, widths=widths)

    @torch.inference_mode()
    def decode(self, batch: Batch, output_tokens: int, phases: Phases) -> Generation:
        """Generate exactly `output_tokens` tokens a row; `block_length` must divide them."""
        assert output_tokens % self.block_length == 0
        self.prepare(batch, output_tokens)
        canvas = self._canvas(batch, output_tokens)
        if self.rows is Rows.independent:
            self._fill_by_row(canvas, phases)
        else:
            for index, block in enumerate(blocks_of(canvas.prompt_tokens, output_tokens, self.block_length)):
                self._fill(canvas, block, index * self.policy.most_forwards, phases)
        prompt_tokens = canvas.prompt_tokens
        return Generation(
            tokens_BN=canvas.tokens_BL[:, prompt_tokens:],
            forward_passes=len(canvas.forwards),
            prompts_BP=canvas.tokens_BL[:, :prompt_tokens],
            forwards=tuple(canvas.forwards),
            written_at_BN=canvas.written_at_BL[:, prompt_tokens:],
            spare_passes=len(canvas.spare),
        )

    def _canvas(self, batch: Batch, output_tokens: int) -> _Canvas:
        masks_BN = batch.tokens_BP.new_full((len(batch.tokens_BP), output_tokens), self.mask_id)
        padding_BL = None
        if batch.padding_BP is not None:
            padding_BL = torch.nn.functional.pad(batch.padding_BP, (0, output_tokens))
        tokens_BL = torch.cat([batch.tokens_BP, masks_BN], dim=1)
        return _Canvas(
            tokens_BL=tokens_BL,
            written_at_BL=torch.zeros_like(tokens_BL),
            padding_BL=padding_BL,
            prompt_tokens=batch.tokens_BP.shape[1],
            streams_B=batch.streams_B,
        )

    def _fill(self, canvas: _Canvas, block: range, number: int, phases: Phases) -> None:
        """Write all of a block, whose first forward pass has this number."""
        rows, length = canvas.tokens_BL.shape
        masked, steps = whole_block(block, rows, canvas.tokens_BL.device), self._steps(length, block, number)
        if self.policy.planned(0) is None:
            assert self.timed is None, "a policy that follows the text leaves nothing out"
            self._write_until_none_is_left(canvas, masked, steps, phases)
            return
        left_out = 0
        while masked.most > left_out:
            step = next(steps)
            planned = self.policy.planned(step.forward)
            if self.timed is not None and step.number not in self.timed:
                assert planned is not None
                left_out += planned
                phases.mark(Phase.left_out)
                continue
            masked, left_out = self._leave_out(canvas, masked, left_out), 0
            self._run_in(canvas, masked, step, phases)
            masked = masked.without(self._write(canvas, masked, step), planned)
            phases.mark(Phase.step)
        self._leave_out(canvas, masked, left_out)

    def _run_in(self, canvas: _Canvas, masked: OpenPositions, step: _Step, phases: Phases) -> None:
        """Make a forward pass behind a gap once before it is timed: the device has work while the host queues it."""
        if self.timed is None or step.number - 1 in self.timed or not phases.runs_in():
            return
        self._predict(canvas, masked, step)
        del canvas.forwards[-self._passes :]
        phases.mark(Phase.settling)

    def _steps(self, length: int, block: range, number: int) -> Iterator[_Step]:
        """The forward passes that a block may take."""
        for forward in count():
            computed = computed_positions(self.cache, length, block, forward)
            yield _Step(forward=forward, number=number + forward, computed=computed)

    def _write_until_none_is_left(
        self, canvas: _Canvas, masked: OpenPositions, steps: Iterator[_Step], phases: Phases
    ) -> None:
        """Where the text decides how many positions a pass writes; what a pass needs is queued before the answer."""
        left = self._left(canvas, masked.most)
        for step in steps:
            if not left.is_far and not left.learn():
                return
            written_BM = self._write(canvas, masked, step)
            if not left.learn():
                self._take_back(canvas)
                phases.mark(Phase.spare)
                return
            self._note_read(canvas, left.most)
            open_BM = masked.left(written_BM)
            left.ask(open_BM)
            masked = masked.only_open(open_BM, left.most)
            phases.mark(Phase.step)

    def _fill_by_row(self, canvas: _Canvas, phases: Phases) -> None:
        """Write all blocks, each row its own at its own pace."""
        assert self.cache is None
        progress = at_the_first_block(canvas.tokens_BL, canvas.prompt_tokens, self.block_length)
        computed, left = range(canvas.tokens_BL.shape[1]), self._left(canvas, self.block_length)
        open_BM = progress.open_in_block(canvas.tokens_BL, self.mask_id)
        masked = progress.open_positions(open_BM, self.block_length)
        while left.learn():
            self._write(canvas, masked, _Step(forward=0, number=progress.numbers, computed=computed))
            self._note_read(canvas, left.most)
            progress = progress.after(canvas.tokens_BL, self.mask_id)
            open_BM = progress.open_in_block(canvas.tokens_BL, self.mask_id)
            left.ask(open_BM)
            masked = progress.open_positions(open_BM, self.block_length if left.is_unknown else left.most)
            phases.mark(Phase.step)

    def _left(self, canvas: _Canvas, most: int) -> Remaining:
        return Remaining(self.readback or readback_from(canvas.tokens_BL.device), [most])

    def _note_read(self, canvas: _Canvas, most: int) -> None:
        """The last step needed the logits of so many positions; more may have been read while that was unknown."""
        canvas.forwards[-self._passes :] = [each._replace(read=most) for each in canvas.forwards[-self._passes :]]

    def _take_back(self, canvas: _Canvas) -> None:
        """The last step wrote nothing."""
        canvas.spare.extend(canvas.forwards[-self._passes :])
        del canvas.forwards[-self._passes :]

    @property
    def _passes(self) -> int:
        """Forward passes of a step."""
        return 2 if self.guidance_scale else 1

    def _write(self, canvas: _Canvas, masked: OpenPositions, step: _Step) -> Tensor:
        """One forward pass: choose tokens, let the policy choose positions, write there; returns where."""
        if self.policy.score is Score.chance:
            return self._write_anywhere(canvas, masked, step)
        choice = self._predict(canvas, masked, step)
        scores_BM = self._drawn(choice.scores_BM, canvas, masked, step)
        written_BM = masked.only(self.policy.choose(masked.closed(scores_BM), step.forward))
        self._put(canvas, masked, choice.tokens_BM, written_BM)
        return written_BM

    def _write_anywhere(self, canvas: _Canvas, masked: OpenPositions, step: _Step) -> Tensor:
        """The same where positions are chosen without logits: those of others are never computed."""
        chances_BM = uniform(_cells(canvas, masked, step))
        written_BM = masked.only(self.policy.choose(masked.closed(chances_BM), step.forward))
        chosen = masked.chosen(written_BM, self.policy.planned(step.forward))
        tokens_BM = self._predict(canvas, chosen, step).tokens_BM
        self._put(canvas, chosen, tokens_BM, chosen.only(torch.ones_like(tokens_BM, dtype=torch.bool)))
        return written_BM

    def _leave_out(self, canvas: _Canvas, masked: OpenPositions, planned: int) -> OpenPositions:
        """Write any tokens at the first open positions, as many as the forward passes would; returns what is left.

        All passes of a gap at once: while the host queued a write for each, a GPU cooled and then ran faster.
        """
        if not planned:
            return masked
        written_BM = torch.zeros_like(masked.positions_BM, dtype=torch.bool)
        written_BM[:, :planned] = True
        any_BM = torch.full_like(masked.positions_BM, 1 if self.mask_id == 0 else 0)
        self._put(canvas, masked, any_BM, written_BM)
        return masked.without(written_BM, planned)

    def _drawn(self, scores_BM: Tensor, canvas: _Canvas, masked: OpenPositions, step: _Step) -> Tensor:
        """Scores of which the highest are a draw without replacement, at a temperature; else as they are."""
        if not self.position_temperature:
            return scores_BM
        return drawn(scores_BM, self.position_temperature, _cells(canvas, masked, step))

    def _put(self, canvas: _Canvas, masked: OpenPositions, tokens_BM: Tensor, written_BM: Tensor) -> None:
        """Write tokens where they are to be written, and the number of the step that did."""
        step = len(canvas.forwards) // self._passes
        for target_BL, new_BM in (
            (canvas.tokens_BL, tokens_BM),
            (canvas.written_at_BL, torch.full_like(tokens_BM, step)),
        ):
            old_BM = target_BL.gather(1, masked.positions_BM)
            target_BL.scatter_(1, masked.positions_BM, new_BM.where(written_BM, old_BM))

    def _predict(self, canvas: _Canvas, masked: OpenPositions, step: _Step) -> Choice:
        hidden_BMD = self._hidden(canvas, canvas.tokens_BL, masked, step)
        cells_BM = masked.positions_BM if self.head.is_greedy else _cells(canvas, masked, step)
        if not self.guidance_scale:
            return self.head.choose(hidden_BMD, cells_BM)
        free_BL = canvas.tokens_BL.clone()
        free_BL[:, : canvas.prompt_tokens] = self.mask_id
        free_BMD = self._hidden(canvas, free_BL, masked, step)
        return self.head.choose_guided(hidden_BMD, free_BMD, self.guidance_scale, cells_BM)

    def _hidden(self, canvas: _Canvas, tokens_BL: Tensor, masked: OpenPositions, step: _Step) -> Tensor:
        canvas.forwards.append(Forward(rows=len(tokens_BL), computed=len(step.computed), read=masked.most))
        read_BM = masked.positions_BM
        if self.is_shifted:
            read_BM = (read_BM - 1).clamp(min=step.computed.start)
        return self.passes.hidden(tokens_BL, canvas.padding_BL, read_BM, step.computed)


def _cells(canvas: _Canvas, masked: OpenPositions, step: _Step) -> Tensor:
    """Noise of each position; it goes with the output's position, not with the prompt's length."""
    return cells(canvas.streams_B, step.number, masked.positions_BM - canvas.prompt_tokens)
