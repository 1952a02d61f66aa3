"""What ran while a generation was made, and for how long, by kind of operation, from torch.profiler.

On a GPU the sum of kernels' durations by kind, and the time in which no kernel ran; on a CPU the operators' own times
by kind, and the time between operators, which is Python's. Head time is that of everything inside the head's module,
and of the kernels that choose a token, which are known by their names. Inside a CUDA graph the head's products cannot
be told from other products and count as matrix.
"""

import logging
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn
from torch.autograd import DeviceType  # type: ignore[attr-defined]  # not in its __all__
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile, record_function

from benchmark.decoders.interface import Batch, Decoder
from benchmark.hardware.clock import Clock
from benchmark.measurement.measure import time_once
from benchmark.models.loading import LanguageModel
from crossover.records.profile import KernelTime
from crossover.records.run import Run

log = logging.getLogger(__name__)

HEAD = "crossover.head"
NANO = 1e-9
MICRO = 1e-6

KINDS = {
    "other": re.compile(r"^triton_(poi|red|per)_"),  # the compiler names its kernels after what comes next to them
    "head": re.compile(r"argmax|logsumexp|confidence|crossover\.head|_read_parts|_join_parts", re.IGNORECASE),
    "attention": re.compile(r"flash|fmha|attention|sdpa|attn", re.IGNORECASE),
    "matrix": re.compile(
        r"gemm|gemv|cutlass|nvjet|xmma|cublas|splitk|matmul|aten::(mm|addmm|bmm|linear)\b|mkldnn", re.IGNORECASE
    ),
}
"""A kernel or an operator has the first kind whose pattern its name matches, else it is `other`."""
WAITS = re.compile(r"(Context|Stream|Event) Sync\b|Stream Wait Event|Event Record")
"""Waits and marks, in which nothing runs; some versions of the profiler list them among the device's activities."""


@dataclass(frozen=True)
class Span:
    """A kernel, a copy or a range, with its start and its end in nanoseconds."""

    name: str
    start_ns: int
    end_ns: int


@contextmanager
def marked(head: nn.Module) -> Iterator[None]:
    """Mark everything that runs inside the head with a range that the profiler records."""
    ranges: list[record_function] = []

    def enter(*_: object) -> None:
        ranges.append(record_function(HEAD))
        ranges[-1].__enter__()

    def leave(*_: object) -> None:
        ranges.pop().__exit__(None, None, None)

    hooks = [head.register_forward_pre_hook(enter), head.register_forward_hook(leave)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is profiled: generations of one decoder from one batch."""

    decoder: Decoder
    model: LanguageModel
    batch: Batch
    run: Run
    clock: Clock


def kernel_times(subject: Subject) -> tuple[float, tuple[KernelTime, ...]]:
    """Latency of one generation under the profiler, and the time of each kind in it."""
    on_gpu = subject.model.device.type == "cuda"
    activities = [ProfilerActivity.CPU, ProfilerActivity.CUDA] if on_gpu else [ProfilerActivity.CPU]
    with _silent(), marked(subject.model.head), profile(activities=activities) as trace:
        timed = time_once(subject.decoder, subject.batch, subject.run.output_tokens, subject.clock)
    if not on_gpu:
        return timed.timing.latency_s, operators(trace, timed.timing.latency_s)
    kernels, heads = device_spans(trace)
    if not kernels:
        log.warning("the profiler saw nothing run on the GPU: its driver may not let users trace it (see CUPTI)")
        return timed.timing.latency_s, ()
    return timed.timing.latency_s, by_kind(kernels, heads, timed.timing.latency_s)


def device_spans(trace: profile) -> tuple[list[Span], list[Span]]:
    """The kernels, copies and fills that ran on the GPU; and, in a list of their own, the head's ranges there."""
    spans, heads = [], []
    for event in trace.profiler.kineto_results.events():  # type: ignore[union-attr]
        if event.device_type() != DeviceType.CUDA:
            continue
        span = Span(event.name(), event.start_ns(), event.start_ns() + event.duration_ns())
        if span.name == HEAD:
            heads.append(span)
        elif not event.is_user_annotation() and not WAITS.match(span.name):
            spans.append(span)
    return spans, heads


def by_kind(spans: Sequence[Span], heads: Sequence[Span], latency_s: float) -> tuple[KernelTime, ...]:
    """Seconds and calls of each kind; a span inside one of the head's ranges belongs to the head.

    Idle is the part of the latency in which nothing ran, also before the first kernel and after the last one.
    """
    seconds: dict[str, float] = defaultdict(float)
    calls: dict[str, int] = defaultdict(int)
    ranges = sorted(heads, key=lambda span: span.start_ns)
    index = 0
    for span in sorted(spans, key=lambda span: span.start_ns):
        while index < len(ranges) and ranges[index].end_ns <= span.start_ns:
            index += 1
        inside = index < len(ranges) and ranges[index].start_ns <= span.start_ns
        kind = "head" if inside else kind_of(span.name)
        seconds[kind] += (span.end_ns - span.start_ns) * NANO
        calls[kind] += 1
    seconds["idle"] = max(0.0, latency_s - _busy_ns(spans) * NANO)
    return _ordered(seconds, calls)


def kind_of(name: str) -> str:
    """The kind of a kernel or an operator by its name."""
    return next((kind for kind, words in KINDS.items() if words.search(name)), "other")


def operators(trace: profile, latency_s: float) -> tuple[KernelTime, ...]:
    """The operators' own times on a CPU, by kind."""
    seconds: dict[str, float] = defaultdict(float)
    calls: dict[str, int] = defaultdict(int)
    for event in trace.events() or ():
        if event.name == HEAD or event.name.startswith("aten::"):
            kind = "head" if _in_head(event) else kind_of(event.name)
            seconds[kind] += event.self_cpu_time_total * MICRO
            calls[kind] += 1
    seconds["idle"] = max(0.0, latency_s - sum(seconds.values()))
    return _ordered(seconds, calls)


def _busy_ns(spans: Iterable[Span]) -> int:
    """Time in which something ran, on any stream."""
    busy, reached = 0, 0
    for span in sorted(spans, key=lambda span: span.start_ns):
        busy += max(0, span.end_ns - max(span.start_ns, reached))
        reached = max(reached, span.end_ns)
    return busy


def _in_head(event: FunctionEvent) -> bool:
    around: FunctionEvent | None = event
    while around is not None:
        if around.name == HEAD:
            return True
        around = around.cpu_parent
    return False


def _ordered(seconds: dict[str, float], calls: dict[str, int]) -> tuple[KernelTime, ...]:
    kinds = ("matrix", "attention", "head", "other", "idle")
    return tuple(KernelTime(kind=kind, seconds=seconds.get(kind, 0.0), calls=calls.get(kind, 0)) for kind in kinds)


@contextmanager
def _silent() -> Iterator[None]:
    """Some versions of the profiler's library write lines of their own to the terminal's error stream."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
