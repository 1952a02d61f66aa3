"""Work compiled, and on a GPU recorded as one CUDA graph, so that it is done again without its host."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from benchmark.hardware.device import is_out_of_memory
from crossover.errors import UserError, first_line

SHAPES_AT_MOST = 1 << 16
"""Each shape is compiled on purpose; by default PyTorch gives up after 8 shapes of a function, and 256 of a source."""

Work = Callable[[], None]

GraphPool = Any
"""Memory of CUDA graphs, as PyTorch names it."""


class CompileError(Exception):
    """Compiling or capturing is not possible here, and why."""


@dataclass(frozen=True)
class Captured:
    """Captured work: a function that does it again, and the seconds that capturing took."""

    replay: Work
    seconds: float


def capture(
    work: Work, device: torch.device, *, before: Work = lambda: None, pool: GraphPool | None = None
) -> Captured:
    """Compile what `work` calls, and on a GPU record it as one CUDA graph.

    `work` runs a few times for that, each time after `before`, which resets the state that `work` changes. Graphs of
    one pool use the same memory, one after another: the results of a graph last until another of them is replayed.

    Raises:
        CompileError: when this machine cannot.
    """
    start = time.perf_counter()
    try:
        with torch._dynamo.config.patch(_recompiling()), warnings.catch_warnings():  # noqa: SLF001
            warnings.simplefilter("ignore")  # the compiler's, of its own use of PyTorch
            replay = _record(work, before, pool) if device.type == "cuda" else _compile_alone(work, before)
    except UserError:
        raise
    except Exception as error:  # the compiler's errors have no common ancestor
        if is_out_of_memory(error):
            raise
        raise CompileError(_in_a_line(error)) from error
    return Captured(replay, time.perf_counter() - start)


def _recompiling() -> dict[str, int]:
    """The compiler's settings that allow any number of shapes; PyTorch renamed them in 2.7."""
    name = "recompile_limit" if hasattr(torch._dynamo.config, "recompile_limit") else "cache_size_limit"  # noqa: SLF001
    return {name: SHAPES_AT_MOST, f"accumulated_{name}": SHAPES_AT_MOST}


def _in_a_line(error: Exception) -> str:
    """In one line, the error behind the compiler's own error, which wraps it."""
    met = getattr(error, "inner_exception", error)
    return f"{type(met).__name__}: {first_line(met)}"


def _compile_alone(work: Work, before: Work) -> Work:
    before()
    work()
    return work


def _record(work: Work, before: Work, pool: GraphPool | None) -> Work:
    stream = _capture_stream()
    stream.wait_stream(torch.cuda.current_stream())
    try:
        with torch.cuda.stream(stream):
            for _ in range(2):
                before()
                work()
    finally:  # also after a failure: the graph's memory is free then, and work on it must have ended
        torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # the stream is given twice, since a graph that cannot be recorded does not leave its own
    with torch.cuda.stream(stream), torch.cuda.graph(graph, stream=stream, pool=pool):
        work()
    torch.cuda.synchronize()
    return graph.replay


@cache
def _capture_stream() -> torch.cuda.Stream:
    """The one stream for all captures: cuBLAS keeps a workspace for every stream that it was ever called on."""
    return torch.cuda.Stream()
