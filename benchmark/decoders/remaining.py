"""How many positions are left, as the host learns it while the device goes on working.

A number travels from a GPU to pinned memory behind an event. Until it is there the host can queue the next forward
pass. That pass is spare where nothing was left: it wrote nothing then, since no position was open. So the host goes
ahead only where a block cannot well be done: more positions are left than `SAFETY` forward passes wrote lately.

Dimensions: B rows, M positions.
"""

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

SAFETY = 2
"""For how many forward passes, as they last wrote, positions must be left for the host to go ahead."""


class PendingNumber(Protocol):
    """A number on its way to the host."""

    def read(self) -> int:
        """Wait for it."""


class Readback(Protocol):
    """How numbers come from the device to the host.

    `goes_ahead` says whether work may be queued meanwhile. The shapes of forward passes then follow the answer before
    the last one, whenever the last one comes, so that the same tokens come out each time.
    """

    @property
    def goes_ahead(self) -> bool:
        """Whether the device works while the host waits."""

    def send(self, number: Tensor) -> PendingNumber:
        """Put a number on its way."""


@dataclass(frozen=True)
class _OnHost:
    number: Tensor

    def read(self) -> int:
        return int(self.number)


@dataclass(frozen=True)
class ImmediateReadback:
    """Where the host computes by itself."""

    goes_ahead: bool = False

    def send(self, number: Tensor) -> PendingNumber:
        """See Readback."""
        return _OnHost(number)


@dataclass(frozen=True)
class _OnDevice:
    number: Tensor
    event: torch.cuda.Event

    def read(self) -> int:
        self.event.synchronize()
        return int(self.number)


@dataclass(frozen=True)
class EventReadback:
    """From a GPU, in the stream of its work."""

    goes_ahead: bool = True

    def send(self, number: Tensor) -> PendingNumber:
        """See Readback."""
        pinned = torch.empty(number.shape, dtype=number.dtype, pin_memory=True)
        pinned.copy_(number, non_blocking=True)
        event = torch.cuda.Event()
        event.record()
        return _OnDevice(pinned, event)


def readback_from(device: torch.device) -> Readback:
    """The readback of a device."""
    return EventReadback() if device.type == "cuda" else ImmediateReadback()


@dataclass
class Remaining:
    """Of a block: the most positions that any row has left before each forward pass, as far as the host knows."""

    readback: Readback
    known: list[int]
    _pending: PendingNumber | None = field(default=None, init=False)

    def ask(self, open_BM: Tensor) -> None:
        """Have it counted; the answer is here at once where the host does not go ahead."""
        self._pending = self.readback.send(open_BM.sum(dim=1).max())
        if not self.readback.goes_ahead:
            self.learn()

    def tell(self, number: int) -> None:
        """Note a number that needs no counting."""
        self.known.append(number)

    def learn(self) -> int:
        """The number before the next forward pass; waits for it if it is still on its way."""
        if self._pending is not None:
            self.known.append(self._pending.read())
            self._pending = None
        return self.known[-1]

    @property
    def is_unknown(self) -> bool:
        """Whether the next number is on its way."""
        return self._pending is not None

    @property
    def most(self) -> int:
        """The last number that the host knows, which the next one cannot exceed."""
        return self.known[-1]

    @property
    def is_far(self) -> bool:
        """Whether a forward pass can be begun before the answer is known."""
        if self._pending is None or len(self.known) == 1:
            return False
        return self.known[-1] > SAFETY * (self.known[-2] - self.known[-1])
