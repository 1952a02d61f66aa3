"""Pairs that differ in the way of generating, at their sizes: `python -m tests.benchmarks.speed.pairs`.

SDAR-8B against Qwen3-8B and Dream-7B against Qwen2.5-7B, random weights in bfloat16, engine=compiled: milliseconds of a
token, of a step over a whole canvas, and of a step of one block against kept keys, beside the floor that the GPU's two
ceilings allow, with the rate of products that is kept up. Before that, known logits in float32 on the GPU, and blocks
against kept keys beside the same in one pass. A part that fails says so, and the others go on.
"""

import argparse
import gc
import json
import time
import traceback
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from benchmark.engines.factory import PassFactory
from benchmark.models.checkpoint import ASSETS, read_config
from benchmark.models.loading import load_model, random_model
from benchmark.roofline.ceilings import measure_ceilings
from benchmark.roofline.work import Ceilings, Work, diffusion_pass, floor_s, kept_pass, prefill_pass, shape_of
from crossover.records.settings import Attention, Engine, Family
from tests.benchmarks.speed.cases import CUDA, GIB, Case, a_run, floor_ms, replay_ms, timed
from tests.benchmarks.speed.machine import power_now, say_machine, sustained_flop_per_s
from tests.paths import KNOWN_ANSWERS

SHAPES = ((1, 512), (8, 1024))
PROMPT_SHARE = 0.875
"""Of a baseline's text: so many tokens less are generated, each as costly."""

KNOWN = (("tiny_random_dream", "cases_dream.json"), ("tiny_random_sdar", "cases_block_diffusion.json"))


def main() -> None:
    """Print everything, or what some models have."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=SAID, default=list(SAID))
    models = parser.parse_args().models
    ceilings, sustained = measure_ceilings(CUDA, torch.bfloat16), sustained_flop_per_s(1.0)
    say_machine(ceilings, sustained)
    kept_up = replace(ceilings, matrix_flop_per_s=sustained)
    for folder, file in KNOWN:
        _guarded(lambda folder=folder, file=file: _say_known(folder, file))  # type: ignore[misc]
    print("\n| model | pass | B | N | ours ms | floor ms | floor / ours | reserved GiB |")
    print("|---|---|--:|--:|--:|--:|--:|--:|", flush=True)
    for folder in models:
        _guarded(lambda folder=folder: _with_model(folder, SAID[folder], kept_up))  # type: ignore[misc]


def _guarded(part: Callable[[], None]) -> None:
    try:
        part()
    except Exception:  # noqa: BLE001 (what the others give must not be lost)
        print(f"FAILED\n{traceback.format_exc()}", flush=True)
    gc.collect()
    torch.cuda.empty_cache()


def _with_model(folder: str, say: Callable[[str, PassFactory, Ceilings], None], ceilings: Ceilings) -> None:
    family = Family.autoregressive if folder.startswith("qwen") else Family.diffusion
    start = time.perf_counter()
    factory = PassFactory(random_model(ASSETS / folder, family, dtype=torch.bfloat16, device=CUDA))
    say(folder, factory, ceilings)
    factory.close()
    print(f"<!-- {folder}: {time.perf_counter() - start:.0f} s; {power_now()} -->", flush=True)


def _say_known(folder: str, file: str) -> None:
    """Logits of one row of ids in float32, by each engine and kernel, against those of the source."""
    known = json.loads((KNOWN_ANSWERS / folder / file).read_text())["forward"]
    tokens_1L = torch.tensor([known["input_ids"]], device=CUDA)
    length = tokens_1L.shape[1]
    factory = PassFactory(load_model(KNOWN_ANSWERS / folder, Family.diffusion, dtype=torch.float32, device=CUDA))
    for engine in (Engine.eager, Engine.compiled):
        for attention in (Attention.sdpa, Attention.eager):
            passes = factory.canvas(engine, factory.kernel(attention))
            passes.prepare(1, length // 2, length - length // 2, padded=False)
            with torch.inference_mode():
                hidden_1LD = passes.hidden(tokens_1L, None, torch.arange(length, device=CUDA)[None])
                logits_LV = factory.model.head(hidden_1LD)[0].cpu()
            same = logits_LV.argmax(dim=-1).tolist() == known["argmax"]
            off = (logits_LV.logsumexp(dim=-1) - torch.tensor(known["row_logsumexp"])).abs().max()
            print(f"{folder}, engine={engine} attention={attention}: argmax {same}, log-sum-exp off by {off:.1e}")


def _say_tokens(folder: str, factory: PassFactory, ceilings: Ceilings) -> None:
    for batch, length in SHAPES:
        case = Case(Family.autoregressive, batch, length, None)
        run = a_run(case, Engine.compiled, prompt_fraction=PROMPT_SHARE)
        timing = timed(run, factory, samples=1)
        floor, _ = floor_ms(run, ceilings, folder)
        _say_row(folder, "token", (batch, length), timing.pass_ms, floor, timing.reserved_gib)
        shape, prompt = shape_of(read_config(ASSETS / folder), 2), run.prompt_tokens
        least = 1e3 * floor_s([prefill_pass(shape, batch=batch, prompt_tokens=prompt)], ceilings)
        _say_row(folder, f"prefill of {prompt}", (batch, length), timing.prefill_ms or 0.0, least, 0.0)


def _say_canvas(folder: str, factory: PassFactory, ceilings: Ceilings) -> None:
    shape = shape_of(read_config(ASSETS / folder), 2)
    for batch, length in SHAPES:
        half = length // 2
        step = _step(factory, batch, length, range(length), half, widths=())
        work = diffusion_pass(shape, batch=batch, length=length, read=half)
        _say_work(folder, "step, whole canvas", (batch, length), step, work, ceilings)


def _say_blocks(folder: str, factory: PassFactory, ceilings: Ceilings) -> None:
    shape, block = shape_of(read_config(ASSETS / folder), 2), factory.model.architecture.block_length
    assert block is not None
    for batch, length in SHAPES:
        half = length // 2
        widths, window = (half, block), range(length - length // 4, length - length // 4 + block)
        for name, computed, read in (
            ("step of a block", window, block),
            ("pass that keeps a block", window, 0),
            ("prompt in blocks", range(half), 0),
        ):
            step = _step(factory, batch, length, computed, read, widths=widths)
            seen = {"batch": batch, "length": computed.stop, "computed": len(computed), "read": read}
            _say_work(folder, name, (batch, length), step, kept_pass(shape, **seen), ceilings)
    _say_whole(factory, block)


def _say_whole(factory: PassFactory, block: int) -> None:
    """Hidden states of a text by blocks against kept keys, and of the same text in one pass."""
    length, kernel = 128, factory.kernel(Attention.flash2)
    tokens_2L = torch.randint(0, 1000, (2, length), device=CUDA)
    every_2L = torch.arange(length, device=CUDA).expand(2, -1)
    whole, by_block = factory.canvas(Engine.compiled, kernel), factory.canvas(Engine.compiled, kernel)
    with torch.inference_mode():
        whole.prepare(2, 64, 64, padded=False)
        expected = whole.hidden(tokens_2L, None, every_2L)[:, 64:].float()
        by_block.prepare(2, 64, 64, padded=False, widths=(64, block))
        by_block.hidden(tokens_2L, None, every_2L[:, :0], range(64))
        windows = [range(first, first + block) for first in range(64, length, block)]
        parts = [by_block.hidden(tokens_2L, None, every_2L[:, each.start : each.stop], each) for each in windows]
    error = (torch.cat(parts, dim=1).float() - expected).norm() / expected.norm()
    print(f"<!-- blocks against kept keys beside one pass, bfloat16: hidden states off by {error:.1e} -->", flush=True)


def _step(
    factory: PassFactory, batch: int, length: int, computed: range, read: int, *, widths: tuple[int, ...]
) -> Callable[[], object]:
    """A forward pass over `computed`, and the choice of tokens at the last `read` positions of it."""
    passes = factory.canvas(Engine.compiled, factory.kernel(Attention.flash2))
    head, half = factory.head(Engine.compiled, 0.0), length // 2
    tokens_BL = torch.randint(0, 1000, (batch, length), device=CUDA)
    positions_BM = torch.arange(computed.stop - read, computed.stop, device=CUDA).expand(batch, -1)
    passes.prepare(batch, half, half, padded=False, widths=widths)
    cells_BM = torch.zeros_like(positions_BM)

    def step() -> Tensor:
        with torch.inference_mode():
            hidden_BMD = passes.hidden(tokens_BL, None, positions_BM, computed)
            return head.choose(hidden_BMD, cells_BM).tokens_BM if read else hidden_BMD

    return step


def _say_work(
    folder: str, name: str, shape: tuple[int, int], step: Callable[[], object], work: Work, ceilings: Ceilings
) -> None:
    torch.cuda.reset_peak_memory_stats()
    milliseconds = replay_ms(step)
    _say_row(folder, name, shape, milliseconds, 1e3 * floor_s([work], ceilings), torch.cuda.max_memory_reserved() / GIB)


def _say_row(folder: str, name: str, shape: tuple[int, int], ours: float, floor: float, gib: float) -> None:
    cells = (folder, name, str(shape[0]), str(shape[1]), f"{ours:.2f}", f"{floor:.2f}", f"{floor / ours:.0%}")
    print(f"| {' | '.join(cells)} | {f'{gib:.1f}' if gib else ''} |", flush=True)


SAID = {"sdar_8b": _say_blocks, "qwen3_8b": _say_tokens, "dream_7b": _say_canvas, "qwen25_7b": _say_tokens}
"""What is timed of each model."""

if __name__ == "__main__":
    main()
