"""Requests for texts: decoded in batches, by the decoder and the engine that a run of that shape has.

Rows of a batch are padded on the left to a multiple of `STRIDE` tokens, so that few shapes occur; padding changes no
token. The last batch is filled up with copies of its last row. The first batch of a shape is not warmed up.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from benchmark.decoders.factory import Ready, ready_decoder
from benchmark.decoders.interface import make_batch
from benchmark.execution.model_cache import LoadedModel
from benchmark.execution.outputs import forwards_of
from benchmark.hardware.clock import CudaClock, HostClock
from benchmark.harness.arguments import Arguments
from benchmark.measurement.measure import time_once
from benchmark.models.loading import end_ids
from benchmark.models.tokens import until_end
from benchmark.tasks.question import cut
from crossover.errors import UserError

STRIDE = 64
SEED_BITS = 32


@dataclass(frozen=True, kw_only=True)
class TextRequest:
    """A prompt, and how many tokens are wanted behind it; `index` is its position among the requests."""

    index: int
    tokens: tuple[int, ...]
    output_tokens: int
    temperature: float | None
    until: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a request cost. A batch's latency and forward passes are those of each of its requests.

    Attributes:
        forwards: forward passes of the batch.
        steps: forward passes until this row had its last token, where the text decides.
        written: tokens before the first end of sequence.
        rows: requests that were decoded together.
    """

    index: int
    prompt_tokens: int
    output_tokens: int
    written: int
    forwards: int
    steps: int | None
    rows: int
    latency_s: float
    prefill_s: float | None


class Writer:
    """Writes what is asked for, and keeps the decoder of the last shape."""

    def __init__(self, arguments: Arguments, loaded: LoadedModel, rows: int) -> None:
        assert loaded.tokenizer is not None
        self._arguments, self._loaded, self._rows = arguments, loaded, rows
        self._tokenizer, self._ends = loaded.tokenizer, end_ids(loaded.tokenizer)
        self._clock = CudaClock() if loaded.model.device.type == "cuda" else HostClock()
        self._shape: tuple[int, int, float | None] | None = None
        self._ready: Ready | None = None

    def write(self, requests: Sequence[TextRequest]) -> Iterator[tuple[TextRequest, str, Work]]:
        """Each request with its text and its work, in the order of their decoding."""
        for rows in self._batches(requests):
            tokens_BN, works = self.decode(rows)
            for request, tokens, work in zip(rows, tokens_BN, works, strict=False):
                text = str(self._tokenizer.decode(tokens[: work.written], skip_special_tokens=True))
                yield request, cut(text, request.until), work

    def decode(self, rows: Sequence[TextRequest]) -> tuple[list[list[int]], list[Work]]:
        """The output tokens of each request of one shape, in their order."""
        output_tokens, temperature = rows[0].output_tokens, rows[0].temperature
        width = self._width(max(len(request.tokens) for request in rows), output_tokens)
        run = self._arguments.run(
            rows=self._rows, prompt_tokens=width, output_tokens=output_tokens, temperature=temperature
        )
        filled = [*rows, *[rows[-1]] * (self._rows - len(rows))]
        batch = make_batch(
            [list(request.tokens) for request in filled],
            [(run.seed << SEED_BITS) + request.index for request in filled],
            self._loaded.model.device,
            padded_to=width,
        )
        shape = (width, output_tokens, temperature)
        if self._ready is None or self._shape != shape:
            self._ready, self._shape = ready_decoder(run, self._loaded.factory, batch), shape
        timed = time_once(self._ready.decoder, batch, output_tokens, self._clock)
        forwards = forwards_of(run.diffusion, timed.generation)
        tokens_BN: list[list[int]] = timed.generation.tokens_BN.tolist()
        works = [
            Work(
                index=request.index,
                prompt_tokens=len(request.tokens),
                output_tokens=output_tokens,
                written=until_end(tokens, self._ends),
                forwards=timed.generation.forward_passes,
                steps=None if forwards is None else forwards.of_rows[row],
                rows=len(rows),
                latency_s=timed.timing.latency_s,
                prefill_s=timed.timing.prefill_s,
            )
            for row, (request, tokens) in enumerate(zip(rows, tokens_BN, strict=False))
        ]
        return tokens_BN[: len(rows)], works

    def _batches(self, requests: Sequence[TextRequest]) -> Iterator[list[TextRequest]]:
        """Requests of one shape together, long prompts first."""
        ordered = sorted(requests, key=lambda each: (each.output_tokens, each.temperature or 0.0, -len(each.tokens)))
        for _, alike in groupby(ordered, key=lambda each: (each.output_tokens, each.temperature)):
            rows = list(alike)
            yield from (rows[first : first + self._rows] for first in range(0, len(rows), self._rows))

    def _width(self, longest: int, output_tokens: int) -> int:
        """Tokens that prompts are padded to: the next multiple of the stride, as far as the context goes."""
        room = room_for_prompt(self._loaded, output_tokens)
        return max(longest, min(-(-longest // STRIDE) * STRIDE, room))


def room_for_prompt(loaded: LoadedModel, output_tokens: int) -> int:
    """Prompt tokens that the model's context has beside so many output tokens.

    Raises:
        UserError: when it has none.
    """
    room = loaded.model.context - output_tokens
    if room < 1:
        raise UserError(
            f"a request of {output_tokens} output tokens leaves no prompt in a context of {loaded.model.context}: give"
            " --gen_kwargs max_gen_toks="
        )
    return room
