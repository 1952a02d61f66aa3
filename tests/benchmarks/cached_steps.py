"""Steps that read kept keys and values, 8B against the chip: `python -m tests.benchmarks.cached_steps`.

One call on a CUDA GPU with 80 GB prints, with random weights in bfloat16 and in one process: `check`, whether all
known answers of policies and caches come out in float32; `tiles`, a trial of the kernels' tiles, whose best serve all
that comes after; `table`, the median cached step of real generations, the whole-canvas steps between them, the floor by
the card's measured roofline, and how long the GPU waited for its host; `pass`, a cached step by itself; `published`,
the loop that everybody else runs, under the same policy and cache; `waits`, the same forward passes under a policy
that asks the device each time; `profile`, the kernels of a cached step; `pieces`, its attention and its products alone.
Blocks are of 32 tokens, and each takes 8 steps, so 4 tokens of a row are written each time. Every line is printed as it
is measured; what runs out of memory says so.
"""

import argparse
import gc
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import torch

from benchmark.engines.factory import PassFactory
from benchmark.hardware.device import is_out_of_memory
from benchmark.models.checkpoint import ASSETS, read_config
from benchmark.models.loading import random_model
from benchmark.roofline.ceilings import measure_ceilings
from benchmark.roofline.work import shape_of
from crossover.records.policies import CacheName, Policy, PolicyName
from crossover.records.settings import Engine, Family
from tests.benchmarks.cached_pieces import say_attention, say_pass, say_products, say_profile, spans_of
from tests.benchmarks.cached_rows import ROWS, Place, Row, measured, ready, run_of
from tests.benchmarks.speed.cases import CUDA, FOLDERS
from tests.benchmarks.speed.machine import say_machine, sustained_flop_per_s

PARTS = ("check", "tiles", "table", "pass", "published", "waits", "profile", "pieces")
Task = tuple[str, Callable[[], None]]


def main() -> None:
    """Print all parts, or some."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="B=1, and B=8 with a dual cache, only")
    parser.add_argument("--dual", action="store_true", help="rows with a dual cache only")
    parser.add_argument("--samples", type=int, help="generations of each row; by default three of the quick, else one")
    parser.add_argument("--part", choices=PARTS, action="append", help="a part alone; may be given several times")
    parser.add_argument("--seconds", type=float, default=440, help="begin nothing more after so long")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("this needs a CUDA GPU, and PyTorch finds none here")
    rows = [row for row in ROWS if row.is_quick or not options.quick]
    if options.dual:
        rows = [row for row in rows if row.cache is CacheName.dual]
    if options.samples:
        rows = [replace(row, samples=options.samples) for row in rows]
    sys.exit(0 if carry_out(tasks(options.part or PARTS, rows, a_place), options.seconds) else 1)


def a_place() -> Place:
    """An 8B with random weights on the GPU, whose ceilings are measured now."""
    ceilings, sustained = measure_ceilings(CUDA, torch.bfloat16), sustained_flop_per_s()
    say_machine(ceilings, sustained)
    folder = ASSETS / FOLDERS[Family.diffusion]
    model = random_model(folder, Family.diffusion, dtype=torch.bfloat16, device=CUDA)
    return Place(
        factory=PassFactory(model),
        shape=shape_of(read_config(folder), parameter_bytes=2),
        ceilings=replace(ceilings, matrix_flop_per_s=sustained),
    )


def tasks(parts: tuple[str, ...] | list[str], rows: list[Row], make_place: Callable[[], Place]) -> Iterator[Task]:
    """What there is to do, by the order of its worth. The model is made when the first task needs it."""
    if "check" in parts:
        yield "check", say_check
    if not set(parts) - {"check"}:
        return
    place, quick = make_place(), [row for row in rows if row.is_quick]
    if "tiles" in parts:
        yield "tiles", partial(try_tiles, place, rows)
    if "table" in parts:
        yield "header", say_header
    by_row = (
        ("table", say_row, rows),
        ("waits", say_waits, quick[:1]),
        ("pass", say_pass, [row for row in ROWS if row.cache is CacheName.prefix and row not in rows]),
        ("profile", say_profile, rows[:4]),
        ("published", say_published, quick),
        ("waits", say_waits, quick[1:]),
    )
    for part, say, chosen in by_row:
        yield from ((f"{part} {row.label}", partial(say, place, row)) for row in chosen if part in parts)
    if "pieces" in parts:
        yield "attention", partial(say_attention, place, rows)
        yield "products", partial(say_products, place)


def carry_out(work: Iterator[Task], seconds: float) -> bool:
    """Do one thing after another, whatever becomes of each; True where all were done."""
    start, done = time.perf_counter(), []
    for label, task in work:
        begun = time.perf_counter() - start
        if begun > seconds:
            print(f"{label}: left out, since {begun:.0f} s are over", flush=True)
            continue
        done.append(attempt(label, task))
    print(f"\nall of it took {time.perf_counter() - start:.0f} s", flush=True)
    return all(done)


def attempt(label: str, task: Callable[[], None]) -> bool:
    """Do one thing; print why where it fails."""
    why = None
    try:
        task()
    except Exception as error:  # noqa: BLE001 (the rows after it are still worth having)
        why = "out of memory" if is_out_of_memory(error) else traceback.format_exc()
    if why is not None:
        print(f"{label}: {why}", flush=True)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return why is None


def say_check() -> None:
    """Every known answer of policies and caches by the compiled engine in float32."""
    from tests.gpu.policies import factory, generate, is_published
    from tests.published.policies import CASES, identity

    start, usual = time.perf_counter(), torch.compile
    torch.compile = lambda function, **_: usual(function, fullgraph=True, dynamic=True)  # type: ignore[assignment]
    try:
        wrong = [identity(case) for case in CASES if not is_published(case, generate(case, Engine.compiled, factory()))]
    finally:
        torch.compile = usual
    factory.cache_clear()
    torch.compiler.reset()
    right = len(CASES) - len(wrong)
    print(f"known answers, float32, engine=compiled: {right} of {len(CASES)} ({time.perf_counter() - start:.0f} s)")
    if wrong:
        raise AssertionError(f"other tokens in {', '.join(wrong)}")


def try_tiles(place: Place, rows: list[Row]) -> None:
    """A trial of the kernels' tiles, for what comes after it."""
    from tests.benchmarks.cached_tiles import say_tiles  # imports Triton

    say_tiles(place, rows)


def say_header() -> None:
    """The table's head."""
    print(
        "\n| a cached step, block 32, 8 steps a block | floor ms | ours ms | floor / ours | trial by hand ms"
        " | at most ms | whole-canvas step ms | GPU waits for its host | reserved GiB |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|", flush=True)


def say_row(place: Place, row: Row) -> None:
    """A row of the table."""
    start = time.perf_counter()
    steps = measured(row, place, run_of(row, place, Engine.compiled))
    goal_ms = row.goal_ms or 1.2 * steps.floor_ms
    cells = (
        *(row.label, f"{steps.floor_ms:.2f}", f"**{steps.cached_ms:.2f}**", f"{steps.floor_ms / steps.cached_ms:.0%}"),
        *("" if row.trial_ms is None else f"{row.trial_ms:.2f}", f"{goal_ms:.1f}"),
        *(f"{steps.whole_ms:.1f}", f"{steps.waiting_share:.1%}", f"{steps.reserved_gib:.1f}"),
    )
    took = time.perf_counter() - start
    verdict = "reached" if steps.cached_ms <= goal_ms else "missed"
    print(
        f"| {' | '.join(cells)} | <!-- {verdict}; {steps.forwards} forward passes in {steps.generation_ms:.1f} ms, busy"
        f" {steps.busy_ms:.1f}; preparing {steps.preparing_s:.1f} s; the row took {took:.0f} s -->",
        flush=True,
    )


def say_published(place: Place, row: Row) -> None:
    """The published loop under the same policy and cache, and the part of it in which the GPU had nothing to do."""
    ours = measured(replace(row, samples=1), place, run_of(row, place, Engine.compiled))
    made = ready(run_of(row, place, Engine.published), place)
    timing = made.timed(place.clock()).timing
    spans = spans_of(place, lambda: made.timed(place.clock()))
    busy_s = sum(span.end_ns - span.start_ns for span in spans) * 1e-9
    theirs_ms = timing.host_latency_s * 1e3
    print(
        f"published, {row.label}, the same quota and cache: a generation {theirs_ms:.0f} ms, ours"
        f" {ours.generation_ms:.0f} ms: {theirs_ms / ours.generation_ms:.2f} times faster; kernels run for"
        f" {busy_s * 1e3:.0f} ms of theirs, so its host's share is {1 - busy_s / timing.host_latency_s:.0%}",
        flush=True,
    )


def say_waits(place: Place, row: Row) -> None:
    """The same forward passes, one token each, planned and under a policy that asks the device after each."""
    once, policy = replace(row, samples=1), Policy(name=PolicyName.threshold, threshold=0.99)
    planned = measured(once, place, run_of(row, place, Engine.compiled, steps=row.block))
    asking = measured(once, place, run_of(row, place, Engine.compiled, policy, steps=row.block))
    print(
        f"waits, {row.label}, threshold, {asking.forwards} forward passes (planned {planned.forwards}): a generation"
        f" {asking.generation_ms:.1f} ms, the planned one's work {planned.busy_ms:.1f} ms: the host costs"
        f" {1 - planned.busy_ms / asking.generation_ms:.1%}; {asking.spare} forward passes are spare; cached step"
        f" {asking.cached_ms:.2f} and {planned.cached_ms:.2f} ms",
        flush=True,
    )


if __name__ == "__main__":
    main()
