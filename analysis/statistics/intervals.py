"""An estimate with its confidence interval."""

from dataclasses import dataclass

from crossover.confidence import LEVEL


@dataclass(frozen=True)
class Interval:
    """An estimate and the ends of its confidence interval at `level`; equal ends mean that no noise was seen."""

    estimate: float
    low: float
    high: float
    level: float = LEVEL
