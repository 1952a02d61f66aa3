"""What a cached step is made of: its kernels, and its attention and its products alone, each in a CUDA graph."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from statistics import median

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from benchmark.decoders.diffusion import MaskedDiffusionDecoder
from benchmark.engines.attention import Kernel
from benchmark.engines.compiled.body import CompiledBody
from benchmark.engines.compiled.canvas import CompiledCanvas
from benchmark.engines.compiled.graphs import capture
from benchmark.measurement.kernel_times import Span, device_spans
from crossover.records.settings import Attention, Engine
from tests.benchmarks.cached_rows import Place, Row, ready, run_of

ALIKE = 8
"""Layers that a piece goes through, so that no cache of the chip holds what it reads."""
REPEATS = 12
TOKENS = (32, 64, 80, 112, 128, 160, 192, 240, 256, 384, 512, 1024)
SHOWN = 14


@torch.inference_mode()
def say_profile(place: Place, row: Row) -> None:
    """The kernels of a cached step, by time: the pass, the last layer, the head; the policy's own are left out."""
    made = ready(run_of(row, place, Engine.compiled), place)
    decoder, tokens_BP = made.decoder, made.batch.tokens_BP
    assert isinstance(decoder, MaskedDiffusionDecoder)
    first = row.length - row.width
    tokens_BL = torch.nn.functional.pad(tokens_BP, (0, row.output_tokens), value=decoder.mask_id)
    positions_BM = torch.arange(first, first + row.block // 2, device=place.device).expand(row.batch, -1)
    noise_BM = torch.zeros_like(positions_BM)

    def step() -> None:
        hidden_BMD = decoder.passes.hidden(tokens_BL, None, positions_BM, range(first, row.length))
        decoder.head.choose(hidden_BMD, noise_BM)

    alone_ms = times_ms(place, step)
    spans = spans_of(place, step, REPEATS)
    seconds: dict[str, float] = defaultdict(float)
    calls: dict[str, int] = defaultdict(int)
    for span in spans:
        seconds[span.name] += (span.end_ns - span.start_ns) * 1e-9
        calls[span.name] += 1
    total_ms = sum(seconds.values()) / REPEATS * 1e3
    print(f"profile, {row.label}: a step {alone_ms:.2f} ms, its kernels {total_ms:.2f} ms together, a step has:")
    for name in sorted(seconds, key=lambda name: -seconds[name])[:SHOWN]:
        each_ms = seconds[name] / REPEATS * 1e3
        print(
            f"  {each_ms:7.3f} ms {calls[name] / REPEATS:5.0f} times"
            f" {each_ms / calls[name] * REPEATS * 1e3:7.1f} us  {name[:90]}"
        )
    print(end="", flush=True)


@torch.inference_mode()
def say_pass(place: Place, row: Row) -> None:
    """A cached step by itself, without its policy: a canvas with passes of its width and of the whole alone."""
    canvas = place.factory.canvas(Engine.compiled, place.factory.kernel(place.attention))
    prompt_tokens = row.length - row.output_tokens
    seconds = canvas.prepare(row.batch, prompt_tokens, row.output_tokens, padded=False, widths=(row.length, row.width))
    first, head = row.length - row.width, place.factory.head(Engine.compiled, temperature=0.0)
    tokens_BL = torch.arange(row.length, device=place.device).expand(row.batch, -1) % 7
    positions_BM = torch.arange(first, first + row.block // 2, device=place.device).expand(row.batch, -1)

    def step() -> None:
        hidden_BMD = canvas.hidden(tokens_BL, None, positions_BM, range(first, row.length))
        head.choose(hidden_BMD, torch.zeros_like(positions_BM))

    canvas.hidden(tokens_BL, None, positions_BM)
    others = ", ".join(canvas.window_kernels) or "none"
    print(
        f"pass, {row.label}: {times_ms(place, step):.2f} ms (other kernels: {others}; preparing {seconds:.1f} s)",
        flush=True,
    )


@torch.inference_mode()
def say_attention(place: Place, rows: Sequence[Row]) -> None:
    """Attention of a window to all kept keys, by kernel: microseconds a layer, and the rate of reading keys."""
    shape = place.shape
    for row in rows:
        kept = (ALIKE, row.batch, row.length, shape.kv_heads, shape.head_dim)
        keys, values = (torch.randn(kept, device=place.device, dtype=a_type(place)) for _ in range(2))
        queries = torch.randn(row.batch, row.width, shape.heads, shape.head_dim, device=place.device, dtype=keys.dtype)
        found = []
        for name, kernel in kernels(place).items():
            each_ms = in_a_graph(place, partial(attend, kernel, queries, keys, values)) / ALIKE
            rate = 2 * keys[0].numel() * keys.element_size() / each_ms / 1e9
            found.append(f"{name} {each_ms * 1e3:.1f} us ({rate:.2f} TB/s)")
        print(f"attention, {row.label}: {'; '.join(found)}", flush=True)
        del keys, values


def spans_of(place: Place, work: Callable[[], object], times: int = 1) -> list[Span]:
    """What ran on the GPU, with the profiler's own work kept off the host."""
    on_gpu = place.device.type == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as trace:
        for _ in range(times):
            work()
        place.clock().synchronize()
    return device_spans(trace)[0]


def attend(kernel: Kernel, queries: Tensor, keys: Tensor, values: Tensor) -> None:
    """Once for each layer."""
    for k, v in zip(keys, values, strict=True):
        kernel.full(queries, k, v, None, causal=False)


def kernels(place: Place) -> dict[str, Kernel]:
    """The kernels that can be had here."""
    chosen = {place.attention, Attention.sdpa}
    return {kernel.name: kernel for kernel in (place.factory.kernel(attention) for attention in sorted(chosen))}


@torch.inference_mode()
def say_products(place: Place) -> None:
    """All products of 32 layers, with norms and gates, by the number of tokens; no attention."""
    canvas = place.factory.canvas(Engine.compiled, place.factory.kernel(place.attention))
    assert isinstance(canvas, CompiledCanvas)
    body = canvas.body
    for tokens in TOKENS:
        each_ms = in_a_graph(place, partial(multiply, body, torch.arange(tokens, device=place.device)[None] % 7))
        each_ms /= len(body.layers[:ALIKE])
        print(f"products, {tokens} tokens: {each_ms * place.shape.layers:.3f} ms for all layers", flush=True)


def multiply(body: CompiledBody, tokens_1T: Tensor) -> None:
    """Some layers without attention: the queries take its place."""
    x_TD, heads = body._embed(tokens_1T), body.sizes.heads
    for weights in body.layers[:ALIKE]:
        x_TD = body._layer(
            x_TD, weights, lambda qkv: qkv[..., : body.sizes.queries].unflatten(-1, (heads, -1)), tokens_1T.shape
        )


def in_a_graph(place: Place, work: Callable[[], None]) -> float:
    """Milliseconds of work that is captured first."""
    return times_ms(place, capture(work, place.device).replay)


def times_ms(place: Place, work: Callable[[], object]) -> float:
    """The median of some calls, which are queued without waiting between them."""
    clock = place.clock()
    work()
    clock.synchronize()
    marks = [clock.mark()]
    for _ in range(REPEATS):
        work()
        marks.append(clock.mark())
    clock.synchronize()
    return median(after.seconds_since(before) for before, after in pairwise(marks)) * 1e3


def a_type(place: Place) -> torch.dtype:
    """The type of the model's weights."""
    dtype: torch.dtype = place.factory.model.llama.lm_head.weight.dtype
    return dtype
