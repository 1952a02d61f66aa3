"""Compiled continuation: one pass that reads the prompts, then the same pass for each new token.

All that changes from token to token is on the device: the token, the number of keys in the cache, and the
position of the next token. So between two tokens the host only replays the pass.

Dimensions: X layers, B rows, R rows of a part, P prompt tokens, N output tokens, S = P + N positions of the
cache, G key heads, d of a head, D hidden.
"""

import gc
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchmark.engines.compiled.body import CompiledBody, Shape, part_rows
from benchmark.engines.compiled.graphs import capture
from benchmark.engines.compiled.products import compiled
from benchmark.engines.positions import rotary_positions
from benchmark.engines.sampling.head import Head
from benchmark.engines.sampling.noise import cells

if TYPE_CHECKING:
    from benchmark.engines.compiled.layer import Rotation


class _Passes:
    """The captured passes of a shape, and the memory that they share."""

    def __init__(self, body: CompiledBody, head: Head, shape: Shape) -> None:
        device, sizes, weight = body.model.device, body.sizes, body.model.llama.lm_head.weight
        positions = shape.length
        cache = (len(body.layers), shape.rows, positions, sizes.key_heads, sizes.head)
        self._body, self._head, self._shape, self._cells = body, head, shape, compiled(cells)
        self._cache = (weight.new_zeros(cache), weight.new_zeros(cache))
        self.tokens_BP = torch.zeros(shape.rows, shape.prompt_tokens, dtype=torch.long, device=device)
        self.padding_BS = torch.zeros(shape.rows, positions, dtype=torch.bool, device=device) if shape.padded else None
        self.streams_B = torch.zeros(shape.rows, dtype=torch.long, device=device)
        self.written_BN = torch.zeros(shape.rows, shape.output_tokens, dtype=torch.long, device=device)
        self._seen_B = torch.zeros(shape.rows, dtype=torch.int32, device=device)
        self._latest_B1 = torch.zeros(shape.rows, 1, dtype=torch.long, device=device)
        self._rotation = body.rotation(torch.arange(positions, device=device)[None])
        prefill = capture(self._read_prompts, device)
        self.prefill, self.step, self.seconds = prefill.replay, prefill.replay, prefill.seconds
        if shape.output_tokens > 1:
            step = capture(self._add_token, device, before=self._forget_tokens)
            self.step, self.seconds = step.replay, prefill.seconds + step.seconds

    def _read_prompts(self) -> None:
        prompt_tokens, part = self._shape.prompt_tokens, part_rows(self._shape.rows, self._shape.prompt_tokens)
        last = [self._prefill(slice(start, start + part), prompt_tokens) for start in range(0, self._shape.rows, part)]
        self._seen_B.fill_(prompt_tokens)
        self._write(torch.cat(last))

    def leave_out(self, tokens: int) -> None:
        """The next token comes so many positions later."""
        self._seen_B.add_(tokens)

    def repeat(self) -> None:
        """Add a token and take it back: the next pass reads and writes what it would have without."""
        latest_B1 = self._latest_B1.clone()
        self.step()
        self._seen_B.sub_(1)
        self._latest_B1.copy_(latest_B1)

    def _forget_tokens(self) -> None:
        self._seen_B.fill_(self._shape.prompt_tokens)

    def _prefill(self, rows: slice, prompt_tokens: int) -> Tensor:
        rotation: Rotation = tuple(table[:, :prompt_tokens] for table in self._rotation)
        mask_RPP = None
        if self.padding_BS is not None:
            padding_RP = self.padding_BS[rows, :prompt_tokens]
            rotation = self._body.rotation(rotary_positions(padding_RP))
            before_PP = torch.ones(prompt_tokens, prompt_tokens, dtype=torch.bool, device=padding_RP.device).tril()
            mask_RPP = before_PP & ~padding_RP[:, None]
        cache = (self._cache[0][:, rows], self._cache[1][:, rows])
        return self._body.prefill(self.tokens_BP[rows], rotation, mask_RPP, cache)

    def _add_token(self) -> None:
        position_1 = self._seen_B[:1].long()
        self._seen_B.add_(1)
        rotation: Rotation = tuple(table.index_select(1, position_1) for table in self._rotation)
        mask_B1S = None
        if self.padding_BS is not None:
            whole = self._body.rotation(rotary_positions(self.padding_BS))
            rotation = tuple(table.index_select(1, position_1) for table in whole)
            mask_B1S = ~self.padding_BS[:, None]
        self._write(self._body.step(self._latest_B1, rotation, self._seen_B, mask_B1S, self._cache))

    def _write(self, hidden_B1D: Tensor) -> None:
        """Choose the token that follows all that has been seen, and write it."""
        output_1 = self._seen_B[:1].long() - self._shape.prompt_tokens
        position_B1 = output_1.expand(self._shape.rows)[:, None]
        self._latest_B1.copy_(self._head.choose(hidden_B1D, self._cells(self.streams_B, 0, position_B1)).tokens_BM)
        self.written_BN.index_copy_(1, output_1, self._latest_B1)


class CompiledCausal:
    """See CausalPasses. The passes of the last shape are kept; what was compiled for others stays compiled."""

    def __init__(self, body: CompiledBody, head: Head) -> None:
        self.body = body
        self.head = head
        self._shape: Shape | None = None
        self._passes: _Passes | None = None
        self._begun = False

    @torch.inference_mode()
    def prepare(self, rows: int, prompt_tokens: int, output_tokens: int, *, padded: bool) -> float:
        """See CausalPasses."""
        shape = Shape(rows=rows, prompt_tokens=prompt_tokens, output_tokens=output_tokens, padded=padded)
        if self._passes is None or self._shape != shape:
            self._passes = None
            gc.collect()  # their graphs' memory and cache are free before the next take their own
            self._passes, self._shape = _Passes(self.body, self.head, shape), shape
        return self._passes.seconds

    def begin(self, tokens_BP: Tensor, padding_BP: Tensor | None, streams_B: Tensor, output_tokens: int) -> None:
        """See CausalPasses."""
        rows, prompt_tokens = tokens_BP.shape
        self.prepare(rows, prompt_tokens, output_tokens, padded=padding_BP is not None)
        passes = self._current
        passes.tokens_BP.copy_(tokens_BP)
        passes.streams_B.copy_(streams_B)
        if padding_BP is not None and passes.padding_BS is not None:
            passes.padding_BS[:, : padding_BP.shape[1]] = padding_BP
        self._begun = False

    def advance(self) -> None:
        """See CausalPasses."""
        (self._current.step if self._begun else self._current.prefill)()
        self._begun = True

    def leave_out(self, tokens: int) -> None:
        """See CausalPasses. The cache holds at their positions what an earlier generation left there."""
        self._current.leave_out(tokens)

    def repeat(self) -> None:
        """See CausalPasses. What was computed for the token is computed anew with the next one."""
        self._current.repeat()

    def written(self) -> Tensor:
        """See CausalPasses. A copy, since the next generation writes into the same memory."""
        return self._current.written_BN.clone()

    @property
    def _current(self) -> _Passes:
        assert self._passes is not None
        return self._passes
