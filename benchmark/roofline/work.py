"""Arithmetic and memory traffic of a run, counted from its shape, and the least time a chip needs for them.

Counted are matrix products (2 operations a multiply-add), and the bytes that come from memory even with the best fused
kernels: the weights once a forward pass, the key-value cache as it is read and written. Not counted: norms, rotations,
softmax and sampling; activations and logits, which can stay on the chip; the embedding, which is a look-up. So the
floor is low rather than high, and no run can beat it.

The head, and the last layer but for its keys and values, are counted where they have to be evaluated: at positions
where a token can be written. A program that evaluates them elsewhere too does more arithmetic than is counted here,
and shows a lower share of the limit.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.decoders.schedule import Forward, planned_forwards
from benchmark.models.architecture import architecture_of
from benchmark.models.layouts import LAYOUTS
from crossover.records.policies import Blocks
from crossover.records.run import Run
from crossover.records.settings import Family


@dataclass(frozen=True, kw_only=True)
class Ceilings:
    """What a device can do at most: bytes read plus bytes written, and operations, each a second."""

    copy_bytes_per_s: float
    matrix_flop_per_s: float


@dataclass(frozen=True, kw_only=True)
class Work:
    """Floating-point operations, and bytes that come from memory or go to it."""

    flop: float
    bytes: float

    def __add__(self, other: "Work") -> "Work":
        """Both together."""
        return Work(flop=self.flop + other.flop, bytes=self.bytes + other.bytes)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """The sizes of a Llama-like transformer that its arithmetic and its memory depend on."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    parameter_bytes: int
    tied: bool = False
    qkv_bias: bool = False
    head_norms: bool = False

    @property
    def layer_products(self) -> int:
        """Weights of one layer's matrices: q and o (D x heads x d each), k and v (D x kv_heads x d), 3 of D x M."""
        return (
            self.key_value_products + 2 * self.hidden * self.heads * self.head_dim + 3 * self.hidden * self.intermediate
        )

    @property
    def key_value_products(self) -> int:
        """Weights of one layer's matrices that make keys and values."""
        return 2 * self.hidden * self.kv_heads * self.head_dim

    @property
    def head_products(self) -> int:
        """Weights of the output head, V x D."""
        return self.vocabulary * self.hidden

    @property
    def parameters(self) -> int:
        """All weights: layers with two norms each, the last norm, embedding and head (one matrix where tied).

        Where there are, biases of queries, keys and values, and norms of a query and a key over a head.
        """
        biases = (self.heads + 2 * self.kv_heads) * self.head_dim if self.qkv_bias else 0
        norms = 2 * self.head_dim if self.head_norms else 0
        layers = self.layers * (self.layer_products + 2 * self.hidden + biases + norms)
        return layers + self.hidden + self.head_products * (1 if self.tied else 2)

    @property
    def weights_bytes(self) -> int:
        """All weights in memory."""
        return self.parameters * self.parameter_bytes

    @property
    def cache_bytes_per_token(self) -> int:
        """Keys and values of one token in all layers."""
        return 2 * self.layers * self.kv_heads * self.head_dim * self.parameter_bytes


def shape_of(config: dict[str, Any], parameter_bytes: int) -> Shape:
    """The shape that a checkpoint's config.json describes, in any official layout.

    Raises:
        UserError: when it is none that can be measured.
    """
    layout = LAYOUTS.get(str(config.get("model_type")))
    described = architecture_of(config, Family.autoregressive if layout is None else layout.families[0], "config.json")
    return Shape(
        layers=described.layers,
        hidden=described.hidden,
        intermediate=described.intermediate,
        heads=described.heads,
        kv_heads=described.key_heads,
        head_dim=described.head,
        vocabulary=described.vocabulary,
        parameter_bytes=parameter_bytes,
        tied=described.is_tied,
        qkv_bias=described.has_qkv_bias,
        head_norms=described.has_head_norms,
    )


def diffusion_pass(shape: Shape, *, batch: int, length: int, read: int) -> Work:
    """One forward pass over the whole canvas, in both directions, read at some positions of each row.

    FLOP: 2 B ((layers - 1) L W + L W_kv + M (W - W_kv)) + 4 B ((layers - 1) L^2 + M L) heads d + 2 B M V D, with M the
    positions read, W the weights of a layer's products, and W_kv those that make keys and values.
    Bytes: the layers' and the head's weights once, and B L rows of the embedding.
    """
    return _pass(shape, rows=batch, tokens=length, pairs=length * length, read=read, last_pairs=read * length)


def kept_pass(shape: Shape, *, batch: int, length: int, computed: int, read: int) -> Work:
    """One forward pass over a window of the canvas, which attends to the kept keys and values of all of it.

    FLOP: as above with W positions computed: 2 B ((layers - 1) W W_layer + W W_kv + M (W_layer - W_kv))
    + 4 B ((layers - 1) W L + M L) heads d + 2 B M V D.
    Bytes: as above, and keys and values of the L positions: those of the window written, those of the others read.
    """
    uncached = _pass(shape, rows=batch, tokens=computed, pairs=computed * length, read=read, last_pairs=read * length)
    return uncached + _cached(shape, batch * length)


def block_pass(shape: Shape, forward: Forward, *, block_length: int, keeps: bool) -> Work:
    """One forward pass of a block-causal model over whole blocks that end with position `seen`.

    A position attends to all before its block and to its block: W positions computed, in blocks of b, make
    W (seen - W) + W (W + b) / 2 pairs. In a causal pass b is 1; in a pass of a sub-block it is W. Bytes: as above; with
    an exact cache keys and values of the positions seen, those of the W written, those of the others read. A pass that
    is made for its keys and values alone, which reads no logits, needs neither the head nor what the last layer does
    beside them.
    """
    rows, computed, read, seen = forward
    pairs = computed * (seen - computed) + computed * (computed + min(block_length, computed)) // 2
    work = _pass(shape, rows=rows, tokens=computed, pairs=pairs, read=read, last_pairs=read * seen)
    return work + _cached(shape, rows * seen) if keeps else work


def prefill_pass(shape: Shape, *, batch: int, prompt_tokens: int) -> Work:
    """The prompt in one pass, each token attending to itself and those before it: P (P + 1) / 2 pairs a row.

    Read at the last position alone. Bytes: as above, and the prompt's keys and values, written once.
    """
    pairs = prompt_tokens * (prompt_tokens + 1) // 2
    uncached = _pass(shape, rows=batch, tokens=prompt_tokens, pairs=pairs, read=1, last_pairs=prompt_tokens)
    return uncached + _cached(shape, batch * prompt_tokens)


def token_pass(shape: Shape, *, batch: int, context: int) -> Work:
    """One new token a row, which attends to `context` tokens, itself among them.

    Bytes: as above; the keys and values of the context, all but the new token's read and that one's written.
    """
    uncached = _pass(shape, rows=batch, tokens=1, pairs=context, read=1, last_pairs=context)
    return uncached + _cached(shape, batch * context)


def passes(run: Run, shape: Shape, counted: Sequence[Forward] = (), *, fewest: bool = False) -> Iterator[Work]:
    """Each forward pass of one generation: those that were counted, else as its schedule says.

    Where the text decides, the schedule is the most that it can take, or the fewest.
    """
    if run.diffusion is not None:
        planned = planned_forwards(run.diffusion, run.prompt_tokens, run.output_tokens, run.batch, fewest=fewest)
        yield from (_canvas_pass(run, shape, forward) for forward in counted or planned)
        return
    yield prefill_pass(shape, batch=run.batch, prompt_tokens=run.prompt_tokens)
    for written in range(1, run.output_tokens):
        yield token_pass(shape, batch=run.batch, context=run.prompt_tokens + written)


def total(works: Iterable[Work]) -> Work:
    """The work of several passes together."""
    return sum(works, start=Work(flop=0.0, bytes=0.0))


def floor_s(works: Iterable[Work], ceilings: Ceilings) -> float:
    """The least time: each pass takes at least its arithmetic's time and at least its traffic's (roofline)."""
    return sum(max(work.flop / ceilings.matrix_flop_per_s, work.bytes / ceilings.copy_bytes_per_s) for work in works)


def expected_forward_passes(run: Run, *, fewest: bool = False) -> int:
    """Evaluations of the body in one generation: one a token, or one (two with guidance) a step that writes.

    Where the text decides, the most that it can take, or the fewest.
    """
    if run.diffusion is None:
        return run.output_tokens
    planned = planned_forwards(run.diffusion, run.prompt_tokens, run.output_tokens, run.batch, fewest=fewest)
    return sum(1 for _ in planned)


def _canvas_pass(run: Run, shape: Shape, forward: Forward) -> Work:
    rows, computed, read, _ = forward
    if run.diffusion is not None and run.diffusion.blocks is Blocks.sequence:
        keeps = run.diffusion.cache is not None
        is_causal = run.diffusion.causal_context and forward.seen == computed  # the prompt's; of others too few pairs
        return block_pass(shape, forward, block_length=1 if is_causal else run.diffusion.block_length, keeps=keeps)
    if run.diffusion is None or run.diffusion.cache is None:
        return diffusion_pass(shape, batch=rows, length=run.length, read=read)
    return kept_pass(shape, batch=rows, length=run.length, computed=computed, read=read)


def _pass(shape: Shape, *, rows: int, tokens: int, pairs: int, read: int, last_pairs: int) -> Work:
    below, made, rest = shape.layers - 1, shape.key_value_products, shape.layer_products - shape.key_value_products
    products = 2 * rows * (below * tokens * shape.layer_products + tokens * made + read * rest)
    attention = 4 * rows * (below * pairs + last_pairs) * shape.heads * shape.head_dim
    head = 2 * rows * read * shape.head_products
    unread = 0 if read else rest + shape.head_products  # a pass that keeps keys and values alone ends with those
    weights = (shape.layers * shape.layer_products + shape.head_products - unread) * shape.parameter_bytes
    embedded = rows * tokens * shape.hidden * shape.parameter_bytes
    return Work(flop=float(products + attention + head), bytes=float(weights + embedded))


def _cached(shape: Shape, tokens: int) -> Work:
    return Work(flop=0.0, bytes=float(tokens * shape.cache_bytes_per_token))
