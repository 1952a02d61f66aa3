"""Peak memory of a piece of work. Each peak is reset first, so that earlier work does not show in it."""

import contextlib
import ctypes
import gc
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

SAMPLING_INTERVAL_S = 0.002


@dataclass(kw_only=True)
class Peaks:
    """The peaks of a piece of work, set when it ends. A peak that the device does not have stays None."""

    reserved_bytes: int | None = None
    allocated_bytes: int | None = None
    resident_bytes: int | None = None


@contextmanager
def cuda_peaks() -> Iterator[Peaks]:
    """Peaks of PyTorch's allocator on the current GPU. Its cache is emptied before."""
    peaks = Peaks()
    gc.collect()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    yield peaks
    torch.cuda.synchronize()
    peaks.reserved_bytes = torch.cuda.max_memory_reserved()
    peaks.allocated_bytes = torch.cuda.max_memory_allocated()


@contextmanager
def host_peaks() -> Iterator[Peaks]:
    """Peak resident set of this process: the kernel's own high-water mark where it can be reset, else sampled."""
    peaks = Peaks()
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # neither musl nor macOS has malloc_trim
        ctypes.CDLL(None).malloc_trim(0)  # freed memory of earlier grid points goes back to the kernel
    with _kernel_mark() if _reset_kernel_mark() else _sampled() as resident_bytes:
        yield peaks
        peaks.resident_bytes = resident_bytes()


def _reset_kernel_mark() -> bool:
    """Reset VmHWM, see proc(5); False where the system has no such file or does not let us write to it."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


@contextmanager
def _kernel_mark() -> Iterator[Callable[[], int]]:
    def peak() -> int:
        match = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
        assert match is not None
        return int(match[1]) * 1024

    yield peak


@contextmanager
def _sampled() -> Iterator[Callable[[], int]]:
    process, done = psutil.Process(), threading.Event()
    highest = process.memory_info().rss

    def watch() -> None:
        nonlocal highest
        while not done.wait(SAMPLING_INTERVAL_S):
            highest = max(highest, process.memory_info().rss)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: highest
    finally:
        done.set()
        thread.join()
