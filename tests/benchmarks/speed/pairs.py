"""Pairs that differ in the way of generating, at their sizes: `python -m tests.benchmarks.speed.pairs`.

SDAR-8B against Qwen3-8B and Dream-7B against Qwen2.5-7B, random weights in bfloat16, FlashAttention-2: milliseconds of
a token, of a step over a whole canvas, and of the passes of block diffusion against kept keys, in generations, beside
the floor that the GPU's copies and the rate of products that it keeps up allow. First engine=compiled for all models,
then the baseline, engine=published. Each row is printed as it is measured, the table of both at the end. A part that
fails says so, and the others go on.

`--part 3 12` only compiles the third twelfth of all shapes, with two layers a model: what is compiled are parts of a
layer, so that a run which begins `--after` such processes finds everything in the compiler's cache.
"""

import argparse
import gc
import json
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from benchmark.engines.factory import PassFactory
from benchmark.models.checkpoint import ASSETS, read_config
from benchmark.models.loading import random_model
from benchmark.roofline.ceilings import measure_ceilings
from benchmark.roofline.work import Ceilings
from crossover.records.settings import Engine, Family
from tests.benchmarks.speed.cases import CUDA
from tests.benchmarks.speed.machine import power_now, say_machine, sustained_flop_per_s
from tests.benchmarks.speed.pair_checks import KNOWN, blocks_beside_one_pass, known_logits
from tests.benchmarks.speed.pair_rows import BLOCK, ROWS, SHAPES, Row

LAYERS = 2
MOST_WAITING_S = 50.0


def main() -> None:
    """Print everything, or what some models have."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--engines", nargs="+", type=Engine, default=[Engine.compiled, Engine.published])
    parser.add_argument("--checks", action="store_true", help="known logits first, and blocks beside one pass")
    parser.add_argument("--part", nargs=2, type=int, metavar=("PART", "OF"), help="only compile a part of the shapes")
    parser.add_argument("--after", nargs="*", type=int, default=[], metavar="PROCESS", help="wait for processes to end")
    options = parser.parse_args()
    if options.part:
        compile_some(options.models, *options.part)
        return
    wait(options.after)
    started = time.monotonic()
    ceilings, sustained = measure_ceilings(CUDA, torch.bfloat16), sustained_flop_per_s()
    say_machine(ceilings, sustained)
    if options.checks:
        for folder, file in KNOWN:
            guarded(lambda folder=folder, file=file: print("\n".join(known_logits(folder, file))))  # type: ignore[misc]
    rows: dict[Engine, list[Row]] = {engine: [] for engine in options.engines}
    for engine in options.engines:
        for folder in options.models:
            measure = rows_of(folder, engine, replace(ceilings, matrix_flop_per_s=sustained), checks=options.checks)
            for row in measure:
                rows[engine].append(row)
                print(f"{time.monotonic() - started:5.0f} s {engine} {said(row)}", flush=True)
    print_table(rows.get(Engine.compiled, []), rows.get(Engine.published, []))


def rows_of(folder: str, engine: Engine, ceilings: Ceilings, *, checks: bool = False) -> Iterator[Row]:
    """All rows of a model with one engine, each as it is measured."""
    with loaded(ASSETS / folder, folder) as factory:
        for at in SHAPES:
            rows: list[Row] = []
            guarded(lambda at=at, rows=rows: rows.extend(ROWS[folder](folder, factory, at, engine, ceilings)))  # type: ignore[misc]
            yield from rows
        if checks and engine is Engine.compiled and folder.startswith("sdar"):
            print(f"blocks beside one pass, bfloat16: off by {blocks_beside_one_pass(factory, BLOCK):.1e}")
        print(f"  {folder}: {power_now()}", flush=True)


def compile_some(models: list[str], part: int, parts: int) -> None:
    """Do once what a part of the rows takes, with models of few layers; nothing is timed."""
    nothing = Ceilings(copy_bytes_per_s=1e12, matrix_flop_per_s=1e15)
    shapes = [(folder, at) for at in SHAPES for folder in models]
    for folder, at in shapes[part::parts]:
        with tempfile.TemporaryDirectory() as shallow:
            config = read_config(ASSETS / folder) | {"num_hidden_layers": LAYERS}
            (Path(shallow) / "config.json").write_text(json.dumps(config), encoding="utf-8")
            with loaded(Path(shallow), folder) as factory:
                deque(ROWS[folder](folder, factory, at, Engine.compiled, nothing), maxlen=0)


def print_table(ours: list[Row], baselines: list[Row]) -> None:
    """Both engines side by side, in the columns of the 8B pair's table."""
    print(
        "\n| model | pass | B | N | baseline ms | ours ms | times faster | floor ms | floor / ours | baseline GiB |",
        end="",
    )
    print(" ours GiB |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    others = {_what(row): row for row in baselines}
    for row in ours:
        other = others.get(_what(row))
        baseline = ("", "", "") if other is None else (f"{other.ms:.2f}", f"{other.ms / row.ms:.2f}", _gib(other))
        cells = [row.model, row.name, str(row.batch), str(row.length), baseline[0], f"{row.ms:.2f}", baseline[1]]
        cells += [f"{row.floor_ms:.2f}", f"{row.floor_ms / row.ms:.0%}", baseline[2], _gib(row)]
        print(f"| {' | '.join(cells)} |", flush=True)


def said(row: Row) -> str:
    """A row while it runs."""
    share = f"{row.floor_ms / row.ms:.1%}"
    return f"{row.model} {row.name} B={row.batch} N={row.length}: {row.ms:.3f} ms, floor {row.floor_ms:.3f}, {share}"


def _what(row: Row) -> tuple[str, str, int, int]:
    return row.model, row.name, row.batch, row.length


def _gib(row: Row) -> str:
    return f"{row.gib:.1f}" if row.gib else ""


@contextmanager
def loaded(path: Path, folder: str) -> Iterator[PassFactory]:
    family = Family.autoregressive if folder.startswith(("qwen", "llama3")) else Family.diffusion
    factory = PassFactory(random_model(path, family, dtype=torch.bfloat16, device=CUDA))
    try:
        yield factory
    finally:
        factory.close()
        del factory
        gc.collect()
        torch.cuda.empty_cache()


def guarded(part: Callable[[], object]) -> None:
    try:
        part()
    except Exception:  # noqa: BLE001 (what the others give must not be lost)
        print(f"FAILED\n{traceback.format_exc()}", flush=True)
    gc.collect()
    torch.cuda.empty_cache()


def wait(processes: list[int]) -> None:
    """Until they have ended, or long enough; a program of the shell is no child of this one."""
    end_s = time.monotonic() + MOST_WAITING_S
    while time.monotonic() < end_s and any(map(_is_running, processes)):
        time.sleep(0.2)


def _is_running(process: int) -> bool:
    """Whether it is; one that has ended and was not asked for its status has no command line any more."""
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except OSError:
        return False


if __name__ == "__main__":
    main()
