"""What supports the table: other attention, transformers' own layers, and what marking phases costs."""

import time
from statistics import median

import torch
from torch.nn.functional import embedding

from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Batch, Decoder, Unmarked
from benchmark.engines.attention_adapter import use_kernel
from benchmark.engines.compiled.canvas import CompiledCanvas
from benchmark.engines.compiled.graphs import capture
from benchmark.engines.compiled.view import View
from benchmark.engines.factory import PassFactory
from benchmark.hardware.clock import CudaClock
from benchmark.measurement.measure import time_once
from crossover.records.run import Run
from crossover.records.settings import (
    Attention,
    Engine,
    Family,
)
from tests.benchmarks.speed.cases import CASES, CUDA, FOLDERS, Case, a_batch, a_run, replay_ms, timed


def say_support(family: Family, factory: PassFactory) -> None:
    print(f"\n{FOLDERS[family]}, beside the table:")
    small = next(case for case in CASES if case.family is family)
    for case in (case for case in CASES if case.family is family and not case.large):
        usual, ours, eager = (
            timed(a_run(case, engine, attention), factory, samples=1 if family is Family.autoregressive else 3)
            for engine, attention in (
                (Engine.published, Attention.sdpa),
                (Engine.compiled, Attention.sdpa),
                (Engine.eager, Attention.flash2),
            )
        )
        print(
            f"- B={case.batch} N={case.length}: attention=sdpa ({factory.kernel(Attention.sdpa).name}): baseline"
            f" {usual.pass_ms:.2f} ms, ours {ours.pass_ms:.2f} ms, {usual.pass_ms / ours.pass_ms:.2f} times faster;"
            f" engine=eager with flash2 {eager.pass_ms:.2f} ms",
            flush=True,
        )
    if family is Family.diffusion:
        for case in (small, CASES[1], CASES[2]):
            theirs, own = _layers_ms(case, factory)
            print(
                f"- layers alone, compiled and captured, B={case.batch} N={case.length}: transformers' {theirs:.2f} ms,"
                f" ours {own:.2f} ms, {theirs / own - 1:.1%} more",
                flush=True,
            )
    marked, unmarked = _marking(a_run(small, Engine.compiled), factory)
    print(
        f"- marking phases, B=1 N={small.length}: {marked:.3f} ms a run, {unmarked:.3f} without:"
        f" {marked / unmarked - 1:+.2%}\n",
        flush=True,
    )


@torch.inference_mode()
def _layers_ms(case: Case, factory: PassFactory) -> tuple[float, float]:
    """A pass over a canvas through transformers' decoder layers and through ours, each compiled and captured."""
    kernel, llama = factory.kernel(Attention.flash2), factory.model.llama.model
    canvas = factory.canvas(Engine.compiled, kernel)
    assert isinstance(canvas, CompiledCanvas)
    body = canvas.body
    tokens = torch.randint(0, 100_000, (case.batch, case.length), device=CUDA)
    every_position = torch.arange(case.length, device=CUDA).expand(case.batch, -1)
    rotation = body.rotation(every_position[:1])
    use_kernel(llama, kernel)
    layer = torch.compile(_their_layer, fullgraph=True, dynamic=False)
    own_type = tuple(table.bfloat16() for table in rotation)

    def theirs() -> None:
        x = embedding(tokens, llama.embed_tokens.weight)
        for each in llama.layers:
            x = layer(each, x, own_type)

    def ours() -> None:
        body.top(body.canvas(tokens, rotation, View()), every_position, rotation, View())

    ways = [capture(theirs, CUDA), capture(ours, CUDA)]
    milliseconds = [replay_ms(way.replay) for way in ways]
    return milliseconds[0], milliseconds[1]


def _their_layer(layer: torch.nn.Module, x: torch.Tensor, rotation: tuple[torch.Tensor, ...]) -> torch.Tensor:
    out: torch.Tensor = layer(x, position_embeddings=rotation, use_cache=False)
    return out


def _marking(run: Run, factory: PassFactory, pairs: int = 9) -> tuple[float, float]:
    """Milliseconds of a whole run by the host's clock, with its phases marked and without, taken in turns."""
    decoder, batch = make_decoder(run, factory, factory.kernel(run.attention)), a_batch(run, factory)
    decoder.prepare(batch, run.output_tokens)
    time_once(decoder, batch, run.output_tokens, CudaClock())
    taken = [(_marked_ms(decoder, batch, run), _unmarked_ms(decoder, batch, run)) for _ in range(pairs)]
    return median(marked for marked, _ in taken), median(unmarked for _, unmarked in taken)


def _marked_ms(decoder: Decoder, batch: Batch, run: Run) -> float:
    return time_once(decoder, batch, run.output_tokens, CudaClock()).timing.host_latency_s * 1e3


def _unmarked_ms(decoder: Decoder, batch: Batch, run: Run) -> float:
    torch.cuda.synchronize()
    start = time.perf_counter()
    decoder.decode(batch, run.output_tokens, Unmarked())
    torch.cuda.synchronize()
    return (time.perf_counter() - start) * 1e3
