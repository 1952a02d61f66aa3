"""Memory of a run, counted from its shape and from the tensors that each engine holds at once.

The tensors that are alive at the peak need memory on any device. PyTorch's allocator on a GPU keeps more: memory of
tensors that are gone stays reserved, in pieces that later tensors do not always fit. It is given back when the device
is full.

A layer is widest in its MLP: gate, up and their product of I each, and a few tensors of D (I intermediate, D hidden).
The published loop and the plain modules run the whole batch at once. The compiled engine runs a part of it, in memory
that its CUDA graph keeps; where kernels/swiglu.py runs, which never writes gate and up, the engine needs up to 0.5 GiB
less than is counted here. Not counted: quality, likelihood, and on a CPU the interpreter and its libraries.
"""

from dataclasses import dataclass

from benchmark.decoders.schedule import writing_steps
from benchmark.roofline.work import Shape
from crossover.records.policies import QUOTA, Blocks
from crossover.records.run import Run
from crossover.records.settings import Attention, Device, Diffusion, Engine, Remasking

ALIVE_HIDDEN, KEPT_HIDDEN = 4, 11
"""Tensors of D beside the MLP's three of I: those alive, and those kept. PyTorch's allocator keeps more because of the
order of a layer's allocations: 20.5 D together for LLaDA-8B, 21 for Llama-3-8B, whose I are 3 and 3.5 D."""
CAPTURED_HIDDEN = 7
"""The same in a compiled layer, whose norms and rotations make no temporaries."""
PART_TOKENS = 8192
"""Tokens that the compiled engine takes at a time, see engines/compiled/body.py."""
CHUNK_LOGITS, NOISE_SHARE = 1 << 26, 8
"""Logits that tensor operations read at a time, and how many times fewer with noise: engines/sampling/head.py."""
KERNEL_CHUNK_LOGITS = 1 << 28
"""Logits that the compiled engine's kernel reads at a time, without a copy of them: engines/kernels/pick.py."""
WORKSPACE_BYTES = 64 << 20
"""What cuBLAS takes on a recent GPU: 32 MiB for each stream that it is called on, of which there are two."""
FLOAT32, FLOAT64 = 4, 8


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Bytes at a run's peak: what is alive at once, and what a GPU's allocator reserves where it has room."""

    needed_bytes: int
    kept_bytes: int

    def peak_bytes(self, memory_bytes: int | None) -> int:
        """The peak on a GPU of `memory_bytes`; None stands for a CPU, where no allocator keeps memory."""
        if memory_bytes is None:
            return self.needed_bytes
        return max(self.needed_bytes, min(self.kept_bytes, memory_bytes))


def footprint(run: Run, shape: Shape) -> Footprint:
    """The run's memory, weights included."""
    alive, kept = _activations(run, shape)
    head = _head_bytes(run, shape)
    if run.diffusion is None:
        alive, kept = _with_cache(run, shape, alive, kept)
        needed, most = alive + head, kept + head
    else:
        canvas = run.batch * _kept_positions(run, run.diffusion) * shape.cache_bytes_per_token
        needed, most = canvas + max(alive, head), canvas + kept + head
    fixed = shape.weights_bytes + (WORKSPACE_BYTES if run.device is Device.cuda else 0)
    return Footprint(needed_bytes=fixed + (most if run.engine is Engine.compiled else needed), kept_bytes=fixed + most)


def _kept_positions(run: Run, settings: Diffusion) -> int:
    """Positions of a row whose keys and values are kept; a block-causal model's last block goes beyond the output.

    Without a cache its passes are windows from the first position on, whose keys and values have memory too.
    """
    if settings.blocks is Blocks.sequence:
        before = run.prompt_tokens if settings.causal_context else 0  # which blocks come behind
        return before + -(-(run.length - before) // settings.block_length) * settings.block_length
    return run.length if settings.cache is not None else 0


def _activations(run: Run, shape: Shape) -> tuple[int, int]:
    """Bytes of a layer in the widest pass: alive at once, and kept."""
    tokens, rows = _widest(run), run.batch
    if run.engine is Engine.compiled:
        rows = min(rows, max(1, PART_TOKENS // tokens))
    elif run.engine is Engine.published and run.diffusion and run.diffusion.guidance_scale:
        rows *= 2  # with the prompt and without it in one pass
    hidden = rows * tokens * shape.hidden * shape.parameter_bytes
    mlp = rows * tokens * 3 * shape.intermediate * shape.parameter_bytes
    scores = 0
    if run.attention is Attention.eager:  # in the model's type twice, and their softmax in float32
        scores = rows * shape.heads * tokens * tokens * (2 * shape.parameter_bytes + FLOAT32)
    temporary = CAPTURED_HIDDEN if run.engine is Engine.compiled else KEPT_HIDDEN
    return ALIVE_HIDDEN * hidden + max(mlp, scores), temporary * hidden + mlp + scores


def _widest(run: Run) -> int:
    """Positions of a row in the widest pass: the whole canvas, or the prompt where its keys and values are kept."""
    settings = run.diffusion
    if settings is None:
        return run.prompt_tokens
    if settings.blocks is Blocks.output or settings.cache is None:
        return run.length
    within_block = 0 if settings.causal_context else run.prompt_tokens % settings.block_length
    return max(run.prompt_tokens - within_block, settings.block_length)


def _with_cache(run: Run, shape: Shape, alive: int, kept: int) -> tuple[int, int]:
    """The same with the cache: whole from the start, or grown at each token by copying one layer after another."""
    whole = run.batch * run.length * shape.cache_bytes_per_token
    if run.engine is Engine.compiled:
        return whole + alive, whole + kept
    prompt = run.batch * run.prompt_tokens * shape.cache_bytes_per_token
    grown = whole + whole // (2 * shape.layers)
    return max(prompt + alive, grown), max(prompt + kept, grown)


def _head_bytes(run: Run, shape: Shape) -> int:
    """Hidden states that are read, logits, and what is computed from them."""
    if run.diffusion is None:
        return run.batch * shape.vocabulary * (shape.parameter_bytes + 2 * FLOAT32)
    if run.engine is Engine.published:
        return run.batch * run.length * shape.vocabulary * _published_bytes(run, run.diffusion, shape)
    positions = run.batch * _positions(run, run.diffusion)
    guided = 1 if run.diffusion.guidance_scale else 0
    compiled = run.engine is Engine.compiled
    hidden = (
        positions * shape.hidden * shape.parameter_bytes * (1 + compiled + guided)
    )  # compiled: parts, and all of them
    if compiled and run.device is Device.cuda:  # one chunk while the next is made
        return hidden + min(positions * shape.vocabulary, 2 * KERNEL_CHUNK_LOGITS) * shape.parameter_bytes * (
            1 + guided
        )
    chunk = CHUNK_LOGITS // (NOISE_SHARE if run.temperature else 1)
    each = shape.parameter_bytes * (1 + 2 * guided) + 2 * FLOAT32 + (4 * FLOAT64 if run.temperature else 0)
    return hidden + min(positions * shape.vocabulary, chunk) * each


def _published_bytes(run: Run, settings: Diffusion, shape: Shape) -> int:
    """Bytes for each logit of the canvas: the published loop has all of them, and their softmax, at once."""
    logit = shape.parameter_bytes
    choosing = 5 * FLOAT64 if run.temperature else logit if settings.remasking is Remasking.low_confidence else 0
    if settings.policy != QUOTA or settings.cache is not None:  # that loop's softmax is in float64, made of a copy
        choosing = max(choosing, 2 * FLOAT64)
    guiding = 4 * logit if settings.guidance_scale else 0  # both passes' logits and two tensors between them
    return max(logit + choosing, guiding)


def _positions(run: Run, settings: Diffusion) -> int:
    """The most positions of a row whose logits one step reads."""
    if settings.policy.is_self_paced:
        return settings.block_length
    steps = writing_steps(run.output_tokens, settings.part_length, settings.steps)
    if settings.remasking is Remasking.low_confidence:
        return max(step.masked for step in steps)
    return max(step.writes for step in steps)
