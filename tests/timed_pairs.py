"""A pair of models whose passes have costs that are set by hand."""

from collections.abc import Sequence

from analysis.parity.arm_costs import ArmCosts, continuation
from analysis.parity.timed_pairs import Pair
from analysis.statistics.forward_passes.composition import Forward
from analysis.statistics.forward_passes.counted_work import CountedWork, Pass, counted_work
from crossover.records.profile import Limits


def work(generations: Sequence[Sequence[Pass]]) -> CountedWork:
    """A model with an operation for each position computed, on a device that does one a second; bytes cost nothing."""
    shares = dict.fromkeys(("floor_share", "matrix_share", "copy_share"), 1.0)
    made = counted_work(
        (
            passes,
            Limits(
                copy_bytes_per_s=1e9,
                matrix_flop_per_s=1.0,
                flop=sum(float(each.rows * each.forward.computed) for each in passes),
                bytes=float(len(passes)),
                floor_s=1.0,
                **shares,
            ),
        )
        for passes in generations
    )
    assert made is not None
    return made


def a_pair() -> Pair:
    """Arms whose records span every pass."""
    shapes = ((1, 8, 8, 4), (2, 8, 8, 2), (3, 4, 32, 4), (1, 16, 16, 1), (5, 4, 4, 4), (2, 3, 9, 2), (1, 1, 7, 0))
    passes = [
        [Pass(rows=rows, forward=Forward(computed, kept, read), keeps=keeps)]
        for rows, computed, kept, read in shapes
        for keeps in (True, False)
    ]
    causal = [continuation(*each) for each in ((1, 8, 8), (2, 16, 4), (1, 32, 2), (3, 5, 9), (1, 3, 1))]
    diffusion, baseline = (
        ArmCosts(seconds={}, kept_seconds={}, work=work(each), watts={}) for each in (passes, causal)
    )
    return Pair(
        diffusion="small",
        baseline="causal",
        of_diffusion=(),
        of_baseline=(),
        diffusion_costs=diffusion,
        baseline_costs=baseline,
    )
