"""An estimate with its confidence interval."""

import math
from dataclasses import dataclass

from crossover.confidence import LEVEL

LARGEST_EXPONENT = math.log(1e300)
"""Beyond this an exponential counts as infinite: what is multiplied by it later would overflow."""


@dataclass(frozen=True)
class Interval:
    """An estimate and the ends of its confidence interval at `level`; equal ends mean that no noise was seen.

    An end may be infinite, or 0 of a positive figure: then the data do not bound it on that side.
    """

    estimate: float
    low: float
    high: float
    level: float = LEVEL

    @property
    def is_bounded(self) -> bool:
        """Whether both ends are numbers."""
        return math.isfinite(self.low) and math.isfinite(self.high)


def exponential(value: float) -> float:
    """The exponential of `value`; infinity in place of an overflow."""
    return math.exp(value) if value < LARGEST_EXPONENT else math.inf


def around(log_estimate: float, down: float, up: float) -> Interval:
    """The interval of a positive figure from its logarithm and the distances of its ends, which may be infinite."""
    return Interval(exponential(log_estimate), exponential(log_estimate - down), exponential(log_estimate + up))
