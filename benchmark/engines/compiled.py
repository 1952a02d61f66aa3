"""Layers compiled once and reused for all, on static shapes; on a GPU, one CUDA graph a pass.

A batch is taken in equal parts of whole rows, of about `PART_TOKENS` tokens each: matrix products are as
fast as on the whole, and activations take the memory of a part.

Dimensions: X layers, R rows of a part, B rows, L tokens, D hidden, S places of a cache, G key heads, d of a head.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import embedding

from benchmark.engines.attention import Kernel
from benchmark.engines.layer import Rotation, Sizes, canvas_layer, prefill_layer, rms_norm, step_layer
from benchmark.engines.packing import LayerWeights, pack
from benchmark.errors import UserError
from benchmark.memory import is_out_of_memory
from benchmark.models.loading import LanguageModel

PART_TOKENS = 8192
"""Tokens of one part of a batch: enough for full-speed matrix products, few enough for small activations."""

LARGEST_RECOMPILE_COUNT = 1 << 16
"""Shapes are few and each is compiled on purpose; PyTorch would give up after eight."""

Work = Callable[[], None]


class CompiledBody:
    """A model's layers, compiled; the weights are the model's own, fused."""

    def __init__(self, model: LanguageModel, kernel: Kernel) -> None:
        body, config = model.body, model.body.config
        self.model = model
        self.kernel = kernel
        self.layers: tuple[LayerWeights, ...] = pack(body)
        self.sizes = Sizes(
            heads=config.num_attention_heads,
            key_heads=config.num_key_value_heads,
            head=config.head_dim,
            epsilon=config.rms_norm_eps,
        )
        fixed = {"sizes": self.sizes, "kernel": kernel}
        self._canvas_layer = _compile(partial(canvas_layer, **fixed))
        self._prefill_layer = _compile(partial(prefill_layer, **fixed))
        self._step_layer = _compile(partial(step_layer, **fixed))
        self._norm = _compile(partial(rms_norm, weight_D=body.norm.weight, epsilon=config.rms_norm_eps))

    def canvas(self, tokens_RL: Tensor, rotation: Rotation, mask_RLL: Tensor | None) -> Tensor:
        """Hidden states after the last norm, [R, L, D], with attention in both directions."""
        x_RLD = self._embed(tokens_RL)
        for weights in self.layers:
            x_RLD = self._canvas_layer(x_RLD, weights, rotation, mask_RLL)
        return self._norm(x_RLD)

    def prefill(
        self, tokens_RL: Tensor, rotation: Rotation, mask_RLL: Tensor | None, cache_XRSGd: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Hidden states of the last token, [R, 1, D]; keys and values fill the first L places of the cache."""
        x_RLD = self._embed(tokens_RL)
        for index, weights in enumerate(self.layers):
            x_RLD, *pair = self._prefill_layer(x_RLD, weights, rotation, mask_RLL)
            for places, new in zip(cache_XRSGd, pair, strict=True):
                places[index, :, : new.shape[1]] = new
        return self._norm(x_RLD[:, -1:])

    def step(
        self,
        tokens_B1: Tensor,
        rotation: Rotation,
        seen_B: Tensor,
        mask_B1S: Tensor | None,
        cache_XBSGd: tuple[Tensor, Tensor],
    ) -> Tensor:
        """Hidden states of one new token, [B, 1, D], which becomes the last of the `seen_B` in the cache."""
        x_B1D = self._embed(tokens_B1)
        for index, weights in enumerate(self.layers):
            pair = cache_XBSGd[0][index], cache_XBSGd[1][index]
            x_B1D = self._step_layer(x_B1D, weights, rotation, pair, seen_B, mask_B1S)
        return self._norm(x_B1D)

    def rotation(self, positions_BL: Tensor) -> Rotation:
        """Cosines and sines of the rotary embedding, float32."""
        cos, sin = self.model.body.rotary_emb(torch.empty(0, device=positions_BL.device), position_ids=positions_BL)
        return cos, sin

    def _embed(self, tokens_BL: Tensor) -> Tensor:
        return embedding(tokens_BL, self.model.body.embed_tokens.weight)


def _compile(function: Callable[..., object]) -> Callable[..., object]:
    return torch.compile(function, fullgraph=True, dynamic=False)


class CompileError(Exception):
    """Compiling or capturing is not possible here, and why."""


@dataclass(frozen=True)
class Captured:
    """Work that is ready to be done again, and the seconds that it took to make it so."""

    replay: Work
    seconds: float


def capture(work: Work, device: torch.device, *, before: Work = lambda: None) -> Captured:
    """Compile what `work` calls, and on a GPU record it as one CUDA graph.

    It is run a few times for that, each time after `before`, which sets the state that it changes.

    Raises:
        CompileError: when this machine cannot.
    """
    start = time.perf_counter()
    try:
        with torch._dynamo.config.patch(recompile_limit=LARGEST_RECOMPILE_COUNT):  # noqa: SLF001
            replay = _record(work, before) if device.type == "cuda" else _compile_alone(work, before)
    except UserError:
        raise
    except Exception as error:  # the compiler's errors have no common ancestor
        if is_out_of_memory(error):
            raise
        raise CompileError(_first_line(error)) from error
    return Captured(replay, time.perf_counter() - start)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else 'without a word'}"


def _compile_alone(work: Work, before: Work) -> Work:
    before()
    work()
    return work


def _record(work: Work, before: Work) -> Work:
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(2):
            before()
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    torch.cuda.synchronize()
    return graph.replay


def part_rows(rows: int, tokens: int) -> int:
    """Rows of one part: the most that divide `rows` and have at most `PART_TOKENS` tokens together."""
    most = max(1, PART_TOKENS // tokens)
    return next(part for part in range(min(rows, most), 0, -1) if rows % part == 0)
