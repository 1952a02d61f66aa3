"""What an engine does for a decoder: forward passes over a canvas, or through a cache.

Dimensions: B rows, P prompt tokens, N output tokens, L = P + N, M positions of a canvas, D hidden.
"""

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor


class CanvasPasses(Protocol):
    """Forward passes over a whole sequence, or over a window of it; positions attend by the model's architecture.

    Blocks of block-causal attention are counted from the canvas's first position, so that padding in front of a row
    must fill whole blocks. With causal passes they are counted from the prompt's end.
    """

    def prepare(
        self,
        rows: int,
        prompt_tokens: int,
        output_tokens: int,
        *,
        padded: bool,
        widths: Sequence[int] = (),
        block_length: int | None = None,
        causal_widths: Sequence[int] = (),
    ) -> float:
        """Do what a shape needs once: compile, capture. Returns the seconds that it took.

        Without `widths` every pass computes the whole canvas, and keeps nothing. With them keys and values are kept:
        they are the numbers of positions of all passes, that of the whole canvas among them where a pass computes it.
        `block_length` is that of block-causal attention, where it is not the one that the model was trained with.
        `causal_widths` are those of windows that such a model computes causally.
        """

    @property
    def window_kernels(self) -> tuple[str, ...]:
        """Attention kernels of windows in the shape prepared that are not the one the run names, and why."""

    def hidden(
        self,
        tokens_BL: Tensor,
        padding_BL: Tensor | None,
        positions_BM: Tensor,
        computed: range | None = None,
        *,
        is_causal: bool = False,
    ) -> Tensor:
        """Hidden states at some positions of the output, [B, M, D], after the last norm, in the shape prepared.

        `computed` is the window, which holds the positions: its keys and values are made anew, and stand among those
        of all others as an earlier pass left them. None is the whole canvas, which every generation begins with, but
        for block-causal attention: there a window needs the positions before it alone, and a prompt's whole blocks can
        be the first. With `is_causal` no position of the window sees a later one. Positions are read where they
        are asked for: a shift of the logits is the decoder's business.
        """


def first_block(prompt_tokens: int, block_length: int | None, causal_widths: Sequence[int]) -> int:
    """The first position at which a block begins, see CanvasPasses."""
    return prompt_tokens % block_length if block_length is not None and causal_widths else 0


class CausalPasses(Protocol):
    """Continuation of prompts token by token, with a cache of keys and values."""

    def prepare(self, rows: int, prompt_tokens: int, output_tokens: int, *, padded: bool) -> float:
        """Do what a shape needs once: compile, capture. Returns the seconds that it took."""

    def begin(self, tokens_BP: Tensor, padding_BP: Tensor | None, streams_B: Tensor, output_tokens: int) -> None:
        """Take new prompts, whose keys and values are not in the cache yet."""

    def advance(self) -> None:
        """Add a token to each row; the first call reads the prompts."""

    def leave_out(self, tokens: int) -> None:
        """Go on as though so many tokens had been added, without their forward passes. What they are means nothing."""

    def repeat(self) -> None:
        """Make the forward pass of the next token, and add none."""

    def written(self) -> Tensor:
        """The tokens added so far, [B, N]."""
