"""What a speed-up with its interval shows: one word, the same for a sentence and for a count of sentences."""

import math
from enum import StrEnum

from analysis.parity.steps_to_parity import Parity
from crossover.records.machine import Verdict

ALIKE = 1.2
"""Ratio of an interval's ends up to which speeds that it does not tell apart are called alike."""


class Speed(StrEnum):
    """Of diffusion at the steps to parity, against the baseline."""

    faster = "is faster"
    slower = "is slower"
    alike = "is about as fast"
    open = "may be faster or slower"
    unknown = "is of unknown speed"


def speed_of(parity: Parity) -> Speed:
    """What is shown; faster or slower only beyond the margin that the number of processes asks for."""
    speedup, margin = parity.speedup, math.inf if _is_alone_and_disturbed(parity) else parity.verdict_margin
    if speedup is None:
        return Speed.unknown
    if speedup.low > 1 + margin:
        return Speed.faster
    if speedup.high * (1 + margin) < 1:
        return Speed.slower
    if speedup.high < ALIKE * speedup.low and margin < math.inf:
        return Speed.alike
    return Speed.open


def _is_alone_and_disturbed(parity: Parity) -> bool:
    """Whether single processes were timed on a disturbed machine: no margin is wide enough for them."""
    return parity.processes == 1 and any(each.verdict is Verdict.disturbed for each in parity.disturbed)
