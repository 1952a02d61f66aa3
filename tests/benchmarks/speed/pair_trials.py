"""Trials beside the pairs' table, both sides in one process: `python -m tests.benchmarks.speed.pair_trials`.

How the keys of a block's attention are split and loaded, by itself and then in SDAR-8B's passes; what a step of a block
consists of; and whether the kernel that rotates queries and keys should do so where there are no biases and norms,
too, in Llama-3-8B's tokens. `--part` and `--after` are those of `pairs`.
"""

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from benchmark.decoders.factory import make_decoder
from benchmark.decoders.interface import Unmarked
from benchmark.engines.compiled.graphs import capture
from benchmark.engines.compiled.layer import Finish
from benchmark.engines.factory import PassFactory
from benchmark.engines.kernels import rotation, window
from benchmark.engines.kernels.window import Plan
from benchmark.measurement.kernel_times import device_spans
from benchmark.models.checkpoint import ASSETS, read_config
from benchmark.roofline.ceilings import measure_ceilings
from benchmark.roofline.work import Ceilings
from crossover.records.settings import Engine
from tests.benchmarks.speed.cases import CUDA
from tests.benchmarks.speed.machine import say_machine, sustained_flop_per_s
from tests.benchmarks.speed.pair_rows import BLOCK, SHAPES, block_rows, block_run, in_a_row_ms, token_rows
from tests.benchmarks.speed.pairs import LAYERS, guarded, loaded, said, wait

HEADS, KEY_HEADS, HEAD, EPSILON = 32, 8, 128, 1e-6
ALIKE = 8
"""Layers that a kernel goes through, so that no cache of the chip holds what it reads."""

PLANS = {
    1: [Plan(4, 64, 3, 4), Plan(8, 64, 3, 4), Plan(8, 32, 3, 2), Plan(4, 128, 2, 4)],
    8: [Plan(4, 64, 3, 4), Plan(2, 64, 3, 4), Plan(8, 64, 3, 4), Plan(4, 32, 4, 2), Plan(2, 128, 2, 4)],
    32: [
        Plan(1, 64, 3, 4),
        Plan(2, 64, 3, 4),
        Plan(1, 128, 2, 4),
        Plan(1, 32, 4, 2),
        Plan(1, 64, 4, 2),
        Plan(2, 32, 4, 2),
    ],
}
"""By batch; the first is the one that the code takes."""

TOKEN_SHAPES = ((1, 512), (8, 512), (32, 1024))
NOTHING = Ceilings(copy_bytes_per_s=1e12, matrix_flop_per_s=1e15)


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", nargs=2, type=int, metavar=("PART", "OF"), help="only compile a part of all")
    parser.add_argument("--after", nargs="*", type=int, default=[], metavar="PROCESS", help="wait for processes to end")
    parser.add_argument("--blocks-at", type=int, metavar="BATCH", help="blocks of this batch alone, and no tokens")
    options = parser.parse_args()
    shapes = [at for at in SHAPES if options.blocks_at in (None, at[0])]
    token_shapes = () if options.blocks_at else TOKEN_SHAPES
    if options.part:
        part, parts = options.part
        for job in jobs(shapes, token_shapes)[part::parts]:
            guarded(job)
        return
    wait(options.after)
    began = time.monotonic()
    ceilings, sustained = measure_ceilings(CUDA, torch.bfloat16), sustained_flop_per_s()
    say_machine(ceilings, sustained)
    kept_up = replace(ceilings, matrix_flop_per_s=sustained)
    best = {at: say_plans(at) for at in shapes}
    if token_shapes:
        say_tokens(ASSETS / "llama3_8b", kept_up, token_shapes)
    say_blocks(ASSETS / "sdar_8b", kept_up, shapes, best)
    print(f"all of it: {time.monotonic() - began:.0f} s", flush=True)


def jobs(shapes: Sequence[tuple[int, int]], token_shapes: Sequence[tuple[int, int]]) -> list[Callable[[], object]]:
    """What is compiled beforehand, with models of few layers."""
    made: list[Callable[[], object]] = [partial(say_plans, at) for at in shapes]
    made += [partial(_shallow, "sdar_8b", say_blocks, at) for at in shapes]
    return made + [partial(_shallow, "llama3_8b", say_tokens, at) for at in token_shapes]


def _shallow(
    folder: str, say: Callable[[Path, Ceilings, Sequence[tuple[int, int]]], None], at: tuple[int, int]
) -> None:
    with tempfile.TemporaryDirectory() as shallow:
        config = read_config(ASSETS / folder) | {"num_hidden_layers": LAYERS}
        (Path(shallow) / "config.json").write_text(json.dumps(config), encoding="utf-8")
        say(Path(shallow), NOTHING, [at])


@torch.inference_mode()
def say_plans(at: tuple[int, int]) -> Plan:
    """Microseconds of a layer's attention by plan, with the norms and the rotation in it; returns the fastest."""
    batch, length = at
    keys, values = torch.randn(2, ALIKE, batch, length, KEY_HEADS, HEAD, device=CUDA, dtype=torch.bfloat16)
    qkv = torch.randn(batch, BLOCK, (HEADS + 2 * KEY_HEADS) * HEAD, device=CUDA, dtype=torch.bfloat16)
    positions = torch.arange(length - BLOCK, length, device=CUDA)
    table = torch.rand(1, BLOCK, HEAD, device=CUDA)
    norms = torch.ones(2, HEAD, device=CUDA, dtype=torch.bfloat16)
    finish = Finish(None, norms[0], norms[1])

    def work(plan: Plan) -> None:
        for kept in zip(keys, values, strict=True):
            window.window_attention(
                qkv,
                (table, table),
                kept,
                positions,
                heads=HEADS,
                plan=plan,
                in_blocks=True,
                finish=finish,
                epsilon=EPSILON,
            )

    times: dict[Plan, float] = {}

    def take(plan: Plan) -> None:
        times[plan] = 1e3 / ALIKE * in_a_row_ms(capture(partial(work, plan), CUDA).replay)

    for plan in PLANS[batch]:
        guarded(partial(take, plan))
    shown = ", ".join(f"{tuple(plan)} {us:.1f}" for plan, us in times.items())
    print(f"attention of a block, B={batch} N={length}, us by plan (parts, keys, stages, warps): {shown}", flush=True)
    return min(times, key=lambda plan: times[plan])


def say_tokens(path: Path, ceilings: Ceilings, shapes: Sequence[tuple[int, int]]) -> None:
    """Tokens of Llama-3-8B with the compiler's rotation, and with ours."""
    usual = rotation.MOST_TOKENS
    with loaded(path, "llama3_8b") as factory:
        for at in shapes:
            for turned in (False, True, False, True):
                rotation.MOST_TOKENS = usual if turned else 0
                guarded(partial(_say_token, factory, at, ceilings, "one kernel" if turned else "the compiler's"))
    rotation.MOST_TOKENS = usual


def _say_token(factory: PassFactory, at: tuple[int, int], ceilings: Ceilings, how: str) -> None:
    row = next(token_rows("llama3_8b", factory, at, Engine.compiled, ceilings))
    print(f"rotation by {how}: {said(row)}", flush=True)


def say_blocks(
    path: Path, ceilings: Ceilings, shapes: Sequence[tuple[int, int]], best: dict[tuple[int, int], Plan] | None = None
) -> None:
    """Passes of SDAR-8B with the plan that the code takes, and the best one; then what a generation consists of."""
    usual = window.plan_of
    with loaded(path, "sdar_8b") as factory:
        for at in shapes:
            plans = [usual(at[0], at[1], KEY_HEADS), *([best[at]] if best else [])]
            for plan in [*dict.fromkeys(plans), plans[0]]:
                window.plan_of = lambda *_, plan=plan: plan
                guarded(partial(_say_block, factory, at, ceilings, plan))
            window.plan_of = usual
        for at in shapes:
            guarded(partial(_say_profile, factory, at))


def _say_block(factory: PassFactory, at: tuple[int, int], ceilings: Ceilings, plan: Plan) -> None:
    for row in block_rows("sdar_8b", factory, at, Engine.compiled, ceilings):
        if "prompt" not in row.name:
            print(f"{tuple(plan)}: {said(row)}", flush=True)


def _say_profile(factory: PassFactory, at: tuple[int, int], shown: int = 16) -> None:
    """Kernels of a generation, by time, in microseconds a forward pass of a block."""
    from tests.benchmarks.speed.cases import a_batch

    run = block_run(at, Engine.compiled)
    decoder, batch = make_decoder(run, factory, factory.kernel(run.attention)), a_batch(run, factory)
    decoder.prepare(batch, run.output_tokens)
    decoder.decode(batch, run.output_tokens, Unmarked())
    with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as taken:
        passes = decoder.decode(batch, run.output_tokens, Unmarked()).forward_passes - 1
        torch.cuda.synchronize()
    spans, _ = device_spans(taken)
    seconds: dict[str, list[float]] = defaultdict(list)
    for span in spans:
        seconds[span.name].append((span.end_ns - span.start_ns) * 1e-3)
    print(f"profile, B={at[0]} N={at[1]}: {len(spans) / passes:.0f} kernels a pass (the prompt's among them)")
    for name in sorted(seconds, key=lambda name: -sum(seconds[name]))[:shown]:
        each = seconds[name]
        print(f"  {sum(each) / passes:8.1f} us {len(each) / passes:6.1f} times  {name[:100]}")
    print(end="", flush=True)


if __name__ == "__main__":
    main()
