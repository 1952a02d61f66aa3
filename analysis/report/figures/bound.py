"""The bound of the K-step sampler on held-out text against steps: a measure of the model that needs no judge."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from analysis.report.figures.style import (
    BASELINE,
    DIFFUSION,
    Drawing,
    columns_for,
    legend,
    look,
    panels,
    shown_of,
    whole_numbers,
)
from analysis.report.points import Point, spread_out

BOUND, EXACT = "likelihood/k_step_bits_per_byte", "likelihood/bits_per_byte"
MOST_LENGTHS = 6
Z_95 = 1.96


def draw_bound(points: Sequence[Point]) -> Drawing | None:
    """A panel for each length, at its smallest batch, on which the bound does not depend; None without a bound."""
    known = [point for point in points if BOUND in point.values]
    if not known:
        return None
    every = sorted({point.length for point in known})
    lengths = spread_out(every, MOST_LENGTHS)
    with look():
        figure, axes = panels(len(lengths), columns_for(len(lengths)))
        for length, panel in zip(lengths, axes, strict=True):
            _panel(panel, [point for point in points if point.length == length])
            panel.set(title=f"N = {length}", ylabel="bits per byte")
        legend(figure, axes, columns=2)
    return Drawing(
        name="k-step-bound",
        title="Bound of the K-step sampler on the true continuation",
        caption="Lower is better. For diffusion an upper bound, averaged over random orders; for the baseline exact."
        " Bars and the band are 1.96 standard errors of the draws. It describes the models and defines no parity."
        + shown_of(len(lengths), len(every)),
        alt="Upper bound on the bits per byte of held-out text against the steps of diffusion, with the baseline's"
        f" exact value, for length {', '.join(map(str, lengths))}.",
        figure=figure,
    )


def _panel(axes: Axes, points: Sequence[Point]) -> None:
    bounded = [point for point in points if BOUND in point.values]
    batch = min(point.batch for point in bounded)
    chosen = sorted((point for point in bounded if point.batch == batch), key=lambda point: point.steps or 0)
    axes.errorbar(
        [point.steps or 0 for point in chosen],
        [point.values[BOUND] for point in chosen],
        yerr=[Z_95 * point.values.get(f"{BOUND}_se", 0.0) for point in chosen],
        color=DIFFUSION,
        marker="o",
        capsize=2.5,
        label=f"{chosen[0].model}, bound in K steps",
    )
    known = [point for point in chosen if EXACT in point.values][:1]
    for point in known:
        middle, half = point.values[EXACT], Z_95 * point.values.get(f"{EXACT}_se", 0.0)
        axes.axhspan(middle - half, middle + half, color=DIFFUSION, alpha=0.14, lw=0)
        axes.axhline(middle, color=DIFFUSION, ls=":", label=f"{point.model}, LLaDA's bound")
    for point in [point for point in points if not point.diffuses and EXACT in point.values][:1]:
        axes.axhline(point.values[EXACT], color=BASELINE, ls="--", label=f"{point.model}, exact")
    whole_numbers(axes, [point.steps or 0 for point in chosen], "steps K")
