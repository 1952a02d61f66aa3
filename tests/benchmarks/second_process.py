"""Processes that multiply matrices on the GPU beside this one: started early, begun when told, waited for when gone.

A process that has ended may stay on the GPU until the driver has taken its context down: NVML would list it and its
memory until then, and a sample taken meanwhile would rightly be labelled. On an H100 it was gone at once.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

MIB = 1 << 20
SAME_BYTES = 16 * MIB
"""Memory in use may differ by so much and be as it was."""
POLL_S = 0.05
PATIENCE_S = 20.0
"""For all waits together."""

MULTIPLY = """
import sys
import torch
print("imported", flush=True)
if not sys.stdin.readline():
    sys.exit()
a = torch.randn(4096, 4096, device="cuda", dtype=torch.bfloat16)
a @ a
torch.cuda.synchronize()
print("ready", flush=True)
while True:
    a @ a
    torch.cuda.synchronize()
"""


@dataclass(frozen=True)
class Occupants:
    """How many processes the driver lists on a GPU, and bytes in use there; None where it does not say."""

    processes: int | None
    used_bytes: int | None

    def as_before(self, before: "Occupants") -> bool:
        """Whether nobody is there who was not there before, nor memory beyond a little."""
        listed = self.processes is None or before.processes is None or self.processes <= before.processes
        used, was = self.used_bytes, before.used_bytes
        return listed and (used is None or was is None or used - was <= SAME_BYTES)

    def __str__(self) -> str:
        """For people."""
        used = "unknown memory" if self.used_bytes is None else f"{self.used_bytes / MIB:.0f} MiB"
        return f"{'unknown' if self.processes is None else self.processes} processes with {used}"


@dataclass
class Leaving:
    """Waits until a GPU is as it was; all waits share one limit."""

    look: Callable[[], Occupants]
    now_s: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    left_s: float = PATIENCE_S
    waited_s: list[float] = field(default_factory=list)

    def wait(self, before: Occupants) -> str | None:
        """None when it is; else what is still there."""
        start_s, now = self.now_s(), self.look()
        while not now.as_before(before) and self.now_s() - start_s < self.left_s:
            self.sleep(POLL_S)
            now = self.look()
        self.waited_s.append(self.now_s() - start_s)
        self.left_s = max(0.0, self.left_s - self.waited_s[-1])
        if now.as_before(before):
            return None
        return (
            f"{self.waited_s[-1]:.1f} s after the second process had ended, NVML still tells of {now}; before it came:"
            f" {before}. The quiet samples that follow are not quiet"
        )


@contextmanager
def second_processes(count: int, script: str = MULTIPLY) -> Iterator[Iterator["Second"]]:
    """So many processes that have loaded their libraries, and are not on the GPU yet."""
    with ExitStack() as ends:
        made = [Second(script) for _ in range(count)]
        for each in made:
            ends.callback(each.end)
        for each in made:
            each.expect("imported")
        yield iter(made)


class Second:
    """One of them."""

    def __init__(self, script: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def begin(self) -> None:
        """Returns when it multiplies."""
        assert self._process.stdin is not None
        self._process.stdin.write("begin\n")
        self._process.stdin.flush()
        self.expect("ready")

    def expect(self, word: str) -> None:
        """Wait for its word.

        Raises:
            RuntimeError: when it ended or said something else.
        """
        assert self._process.stdout is not None
        said = self._process.stdout.readline().strip()
        if said != word:
            raise RuntimeError(f"the second process said {said!r} where {word!r} was expected; its errors stand above")

    def end(self) -> None:
        """Kill it, and wait until it is no process any more."""
        self._process.kill()
        self._process.communicate()
