"""Many statements at once: which hold so that the chance of a single false one among all is limited."""

from collections.abc import Sequence
from statistics import NormalDist

from crossover.confidence import LEVEL


def holm(p_values: Sequence[float]) -> tuple[bool, ...]:
    """Which hypotheses are rejected, so that in at most 5% of all tables any of them is rejected wrongly.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979.
    """
    rejected = [False] * len(p_values)
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] > (1 - LEVEL) / (len(p_values) - rank):
            break
        rejected[index] = True
    return tuple(rejected)


def widened(margin: float, statements: int) -> float:
    """A margin that one of so many statements passes by chance as seldom as one alone passes `margin`.

    The margin is taken for the end of a 95% interval of normal differences.
    """
    normal = NormalDist()
    alone = normal.inv_cdf((1 + LEVEL) / 2)
    return margin * normal.inv_cdf(1 - (1 - LEVEL) / (2 * max(1, statements))) / alone
