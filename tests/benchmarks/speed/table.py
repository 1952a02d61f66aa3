"""The table: ours, the baseline and the floor, a row a case."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from benchmark.engines.factory import PassFactory
from benchmark.hardware.device import is_out_of_memory
from benchmark.roofline.work import Ceilings
from crossover.records.settings import (
    Engine,
    Family,
)
from tests.benchmarks.speed.cases import Case, Timing, a_run, floor_ms, tflop_per_pass, timed
from tests.benchmarks.speed.machine import power_now


def say_header() -> None:
    print(
        "| pass | B | N | baseline ms | ours ms | times faster | floor ms | floor / ours | baseline GiB | ours GiB"
        " | with float32 logits: baseline ms | times faster | baseline GiB |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|", flush=True)


def say_case(case: Case, factory: PassFactory, ceilings: Ceilings) -> None:
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
        f" weights alone {weights:.2f} ms; {tflop_per_pass(run) / ours.pass_ms * 1e3:.0f} TFLOP/s; {power_now()} -->",
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
