"""Both arms of 8B against what everybody else reports and against the chip: `python -m tests.benchmarks.speed`.

One call on any CUDA GPU with 80 GB prints the table: ours (engine=compiled), the baseline (engine=published, a port of
the published loop, and transformers' generate), and the floor that the GPU's two measured ceilings allow, in one
process, with the same random weights in bfloat16 and the same attention kernel. The published loop chooses from logits
in the type of the weights; it is timed with float32 logits besides, as many harnesses have them. Then what supports it:
the baseline under transformers' usual attention, our layers against transformers' own, the share of equal tokens, what
marking phases costs, and how the phases add up. `--quick` leaves out the large shapes, `--part` all but one part.
"""

import argparse
import gc
import platform
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from statistics import median

import torch
from torch.nn.functional import embedding

from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Batch, Decoder, Unmarked, make_batch
from benchmark.decoders.prompts import random_prompts, read_prompts
from benchmark.engines.attention import Kernel
from benchmark.engines.attention_adapter import use_kernel
from benchmark.engines.canvas import CompiledCanvas
from benchmark.engines.compiled import capture
from benchmark.engines.factory import PassFactory
from benchmark.hardware.clock import CudaClock
from benchmark.hardware.device import is_out_of_memory
from benchmark.hardware.environment import probe
from benchmark.measurement.measure import time_once
from benchmark.models.checkpoint import ASSETS, read_config
from benchmark.models.loading import load_model, load_tokenizer, random_model
from benchmark.roofline.ceilings import measure_ceilings
from benchmark.roofline.work import Ceilings, floor_s, passes, shape_of, total
from crossover.records.run import Run
from crossover.records.settings import (
    Attention,
    Device,
    Diffusion,
    Engine,
    Family,
    Model,
    Precision,
    Prompts,
    Remasking,
    Weights,
)

CUDA = torch.device("cuda")
GIB = 2**30
FOLDERS = {Family.diffusion: "llada_8b", Family.autoregressive: "llama3_8b"}
TINY = {Family.diffusion: "tiny_llada", Family.autoregressive: "tiny_llama"}


@dataclass(frozen=True)
class Case:
    """A shape to time: `steps` forward passes of diffusion over it, or as many new tokens as it has."""

    family: Family
    batch: int
    length: int
    steps: int | None
    large: bool = False


CASES = (
    Case(Family.diffusion, 1, 128, 32),
    Case(Family.diffusion, 1, 512, 32),
    Case(Family.diffusion, 8, 1024, 8),
    Case(Family.diffusion, 32, 1024, 4, large=True),
    Case(Family.diffusion, 64, 2048, 2, large=True),
    Case(Family.autoregressive, 1, 512, None),
    Case(Family.autoregressive, 8, 512, None),
    Case(Family.autoregressive, 32, 1024, None, large=True),
)


@dataclass(frozen=True)
class Timing:
    """Milliseconds a step or token, of the prefill, and to prepare; memory; how far the phases are from the whole."""

    pass_ms: float
    prefill_ms: float | None
    preparing_s: float
    reserved_gib: float
    phases_share: float


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave out the large shapes")
    parser.add_argument("--part", choices=("table", "support", "tokens"), help="one part alone")
    options = parser.parse_args()
    quick, parts = options.quick, {options.part} if options.part else {"table", "support", "tokens"}
    if not torch.cuda.is_available():
        sys.exit("this needs a CUDA GPU, and PyTorch finds none here")
    ceilings, sustained = measure_ceilings(CUDA, torch.bfloat16), sustained_flop_per_s()
    say_machine(ceilings, sustained)
    if "table" in parts:
        _say_header()
    for family in FOLDERS if parts & {"table", "support"} else ():
        factory = PassFactory(random_model(ASSETS / FOLDERS[family], family, dtype=torch.bfloat16, device=CUDA))
        for case in CASES:
            if "table" in parts and case.family is family and not (quick and case.large):
                _say_case(case, factory, replace(ceilings, matrix_flop_per_s=sustained))
        if "support" in parts:
            _say_support(family, factory)
        del factory
        torch.compiler.reset()
        gc.collect()
        torch.cuda.empty_cache()
    if "tokens" in parts:
        _say_tokens()


def a_run(case: Case, engine: Engine, attention: Attention = Attention.flash2, **changes: object) -> Run:
    """The run of a case; prompts and weights are random."""
    output_tokens = case.length - case.length // 2
    diffusion = Diffusion(
        steps=case.steps or 1,
        block_length=output_tokens,
        remasking=Remasking.low_confidence,
        guidance_scale=0.0,
    )
    run = Run(
        model=Model(name=FOLDERS[case.family], family=case.family, checkpoint="", revision=None, context=4096),
        diffusion=None if case.steps is None else diffusion,
        batch=case.batch,
        length=case.length,
        prompt_fraction=0.5,
        temperature=0.0,
        seed=0,
        warmup=1,
        repeats=1,
        device=Device.cuda,
        precision=Precision.bfloat16,
        prompts=Prompts(source="", count=case.batch),
        judge=None,
        engine=engine,
        attention=attention,
        weights=Weights.random,
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def a_batch(run: Run, factory: PassFactory) -> Batch:
    """Random prompts for a run."""
    prompts = random_prompts(
        vocabulary=factory.model.vocabulary,
        mask_id=factory.model.mask_id,
        prompt_tokens=run.prompt_tokens,
        count=run.batch,
        seed=0,
    )
    return make_batch([prompt.tokens for prompt in prompts], list(range(run.batch)), CUDA)


def timed(run: Run, factory: PassFactory, *, samples: int = 3) -> Timing:
    """Median of some samples after a warm-up of the same shape."""
    decoder, batch = make_decoder(run, factory, factory.kernel(run.attention)), a_batch(run, factory)
    preparing_s = decoder.prepare(batch, run.output_tokens)
    time_once(decoder, batch, run.output_tokens, CudaClock())
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    taken = [time_once(decoder, batch, run.output_tokens, CudaClock()).timing for _ in range(samples)]
    phases = [(sum(timing.step_s) + (timing.prefill_s or 0.0)) / timing.latency_s for timing in taken]
    each = [sum(timing.step_s) / len(timing.step_s) for timing in taken]
    prefills = [timing.prefill_s for timing in taken if timing.prefill_s is not None]
    return Timing(
        pass_ms=median(each) * 1e3,
        prefill_ms=median(prefills) * 1e3 if prefills else None,
        preparing_s=preparing_s,
        reserved_gib=torch.cuda.max_memory_reserved() / GIB,
        phases_share=median(phases),
    )


def floor_ms(run: Run, ceilings: Ceilings) -> tuple[float, float]:
    """Least milliseconds a step or token by both ceilings, and those of reading the weights alone."""
    shape = shape_of(read_config(ASSETS / FOLDERS[run.model.family]), 2)
    works = list(passes(run, shape))[0 if run.diffusion else 1 :]
    return floor_s(works, ceilings) / len(works) * 1e3, shape.weights_bytes / ceilings.copy_bytes_per_s * 1e3


def tflop_per_pass(run: Run) -> float:
    """Arithmetic of one step or token."""
    works = list(passes(run, shape_of(read_config(ASSETS / FOLDERS[run.model.family]), 2)))[0 if run.diffusion else 1 :]
    return total(works).flop / len(works) / 1e12


def say_machine(ceilings: Ceilings, sustained: float) -> None:
    where = probe(engine="", attention="", on_gpu=True)
    print(f"{where.gpu}, driver {where.driver}; Python {platform.python_version()}, PyTorch {torch.__version__},")
    print(f"transformers {version('transformers')}; commit {where.commit}; command: {' '.join(sys.orig_argv[1:])}")
    print(
        f"copy {ceilings.copy_bytes_per_s / 1e12:.2f} TB/s; 8192-cubed product in bfloat16"
        f" {ceilings.matrix_flop_per_s / 1e12:.0f} TFLOP/s for 30 ms, {sustained / 1e12:.0f} kept up for 2 s"
        f" (then {_clock()})\n",
        flush=True,
    )


def sustained_flop_per_s(seconds: float = 2.0) -> float:
    """Rate of the same product for as long as a run takes: the power limit lowers the clock meanwhile."""
    a, b = (torch.randn(8192, 8192, device=CUDA, dtype=torch.bfloat16) for _ in range(2))
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        for _ in range(20):
            torch.mm(a, b)
        torch.cuda.synchronize()
        done += 20
    return done * 2 * 8192**3 / (time.perf_counter() - start)


def _clock() -> str:
    import pynvml

    pynvml.nvmlInit()
    handle = pynvml.nvmlDeviceGetHandleByIndex(torch.cuda.current_device())
    clock = pynvml.nvmlDeviceGetClockInfo(handle, pynvml.NVML_CLOCK_SM)
    return f"SM at {clock} MHz, {pynvml.nvmlDeviceGetPowerUsage(handle) / 1e3:.0f} W"


def _say_header() -> None:
    print(
        "| pass | B | N | baseline ms | ours ms | times faster | floor ms | floor / ours | baseline GiB | ours GiB"
        " | with float32 logits: baseline ms | times faster | baseline GiB |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|", flush=True)


def _say_case(case: Case, factory: PassFactory, ceilings: Ceilings) -> None:
    run, published, samples = a_run(case, Engine.compiled), a_run(case, Engine.published), 1 if case.large else 3
    baseline = _or_none(lambda: timed(published, factory, samples=samples))
    ours = timed(run, factory, samples=samples)
    least, weights = floor_ms(run, ceilings)
    cells = [
        *("diffusion step" if case.steps else "token", str(case.batch), str(case.length)),
        *(_ms(baseline), f"{ours.pass_ms:.2f}", _times(baseline, ours), f"{least:.2f}", f"{least / ours.pass_ms:.0%}"),
        *(_gib(baseline), _gib(ours)),
    ]
    wide_cells = ["", "", ""]
    if case.family is Family.diffusion:
        with _float32_logits(factory):
            wide = _or_none(lambda: timed(published, factory, samples=samples))
        wide_cells = [_ms(wide), _times(wide, ours), _gib(wide)]
    print(
        f"| {' | '.join(cells + wide_cells)} |"
        f" <!-- preparing {ours.preparing_s:.1f} s; phases / end to end {ours.phases_share:.4f};"
        f" prefill {ours.prefill_ms}, baseline {baseline.prefill_ms if baseline else None} ms;"
        f" weights alone {weights:.2f} ms; {tflop_per_pass(run) / ours.pass_ms * 1e3:.0f} TFLOP/s; {_clock()} -->",
        flush=True,
    )


def _ms(timing: Timing | None) -> str:
    return "out of memory" if timing is None else f"{timing.pass_ms:.2f}"


def _times(baseline: Timing | None, ours: Timing) -> str:
    return "" if baseline is None else f"{baseline.pass_ms / ours.pass_ms:.2f}"


def _gib(timing: Timing | None) -> str:
    return "" if timing is None else f"{timing.reserved_gib:.1f}"


@contextmanager
def _float32_logits(factory: PassFactory) -> Iterator[None]:
    """Have the plain modules' head give float32."""
    hook = factory.model.llama.lm_head.register_forward_hook(lambda *called: called[-1].float())
    try:
        yield
    finally:
        hook.remove()


def _or_none(measure: Callable[[], Timing]) -> Timing | None:
    """What was measured; None where memory did not suffice."""
    try:
        return measure()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    gc.collect()
    torch.cuda.empty_cache()
    return None


def _say_support(family: Family, factory: PassFactory) -> None:
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
    every_place = torch.arange(case.length, device=CUDA).expand(case.batch, -1)
    rotation = body.rotation(every_place[:1])
    use_kernel(llama, kernel)
    layer = torch.compile(_their_layer, fullgraph=True, dynamic=False)
    own_type = tuple(table.bfloat16() for table in rotation)

    def theirs() -> None:
        x = embedding(tokens, llama.embed_tokens.weight)
        for each in llama.layers:
            x = layer(each, x, own_type)

    def ours() -> None:
        body.top(body.canvas(tokens, rotation, None), every_place, rotation, None)

    ways = [capture(theirs, CUDA), capture(ours, CUDA)]
    milliseconds = [_replay_ms(way.replay) for way in ways]
    return milliseconds[0], milliseconds[1]


def _their_layer(layer: torch.nn.Module, x: torch.Tensor, rotation: tuple[torch.Tensor, ...]) -> torch.Tensor:
    out: torch.Tensor = layer(x, position_embeddings=rotation, use_cache=False)
    return out


def _replay_ms(replay: Callable[[], None], repeats: int = 12) -> float:
    times, clock = [], CudaClock()
    for _ in range(repeats):
        start = clock.mark()
        replay()
        end = clock.mark()
        clock.synchronize()
        times.append(end.seconds_since(start) * 1e3)
    return median(times[2:])


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


def _say_tokens() -> None:
    """Equal tokens of the trained tiny pair, 64 held-out prompts of 64 tokens and as many new ones."""
    print("Share of equal tokens, tiny pair, 64 prompts, 64 new tokens (K=32), temperature 0 and 1:")
    for family, dtype in ((f, d) for f in TINY for d in (torch.float32, torch.bfloat16)):
        factory = PassFactory(load_model(ASSETS / TINY[family], family, dtype=dtype, device=CUDA))
        for attention in (Attention.sdpa,) if dtype is torch.float32 else (Attention.flash2, Attention.sdpa):
            for line in _shares(family, factory, attention):
                print(f"- {TINY[family]} {str(dtype).removeprefix('torch.')} {attention}: {line}", flush=True)


def _shares(family: Family, factory: PassFactory, attention: Attention) -> Iterator[str]:
    kernel = factory.kernel(attention)
    for temperature in (0.0, 1.0):
        case = Case(family, 64, 128, 32 if family is Family.diffusion else None)
        written = {}
        for engine in Engine:
            precision = Precision.bfloat16 if attention is Attention.flash2 else Precision.float32
            run = a_run(case, engine, attention, precision=precision, temperature=temperature)
            written[engine] = [_written(run, factory, kernel, family) for _ in range(2)]
        eager, compiled = written[Engine.eager][0], written[Engine.compiled][0]
        repeats = ", ".join(f"{engine} {_equal(*pair):.4f}" for engine, pair in written.items())
        also = "" if temperature else f", published and compiled {_equal(written[Engine.published][0], compiled):.4f}"
        yield f"temperature {temperature:g}: eager and compiled {_equal(eager, compiled):.4f}{also}; twice {repeats}"


def _written(run: Run, factory: PassFactory, kernel: Kernel, family: Family) -> torch.Tensor:
    tokenizer = load_tokenizer(ASSETS / TINY[family])
    read = partial(read_prompts, "builtin:prompts/austen.jsonl", tokenizer)
    prompts = read(prompt_tokens=run.prompt_tokens, output_tokens=run.output_tokens, count=run.batch)
    batch = make_batch([prompt.tokens for prompt in prompts], list(range(run.batch)), CUDA)
    decoder = make_decoder(run, factory, kernel)
    decoder.prepare(batch, run.output_tokens)
    return decoder.decode(batch, run.output_tokens, Unmarked()).tokens_BN


def _equal(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first == second).float().mean())


if __name__ == "__main__":
    main()
