"""What a cache changes along a generation: divergence of the logits, and the share of equal choices, step by step."""

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes

from analysis.report.figures.style import MARKERS, SHADES, Drawing, legend, look, panels, shown_of
from analysis.report.points import Point
from crossover.records.staleness import Staleness

MOST_LINES = len(SHADES)


def draw_staleness(points: Sequence[Point]) -> Drawing | None:
    """Two panels with a line for each run that was compared with itself without its cache; None without any."""
    compared = [(point, staleness) for point in points if (staleness := _of(point)) is not None]
    if not compared:
        return None
    shown = compared[:MOST_LINES]
    with look():
        figure, axes = panels(2, 2, size=(3.9, 2.6))
        _panel(axes[0], shown, lambda staleness: staleness.kl_nats, "KL(without || with), nats")
        _panel(axes[1], shown, lambda staleness: staleness.equal_share, "share of equal choices")
        axes[1].set_ylim(0, 1.05)
        legend(figure, axes, columns=1)
    names = ", ".join(point.record.run.name for point, _ in shown)
    return Drawing(
        name="staleness",
        title="What a cache changes, step by step",
        caption="Each step of one generation with a cache beside the same step without one, at the open positions."
        " Steps that compute the whole canvas read nothing kept: there both are alike."
        + shown_of(len(shown), len(compared)),
        alt=f"Divergence of the logits and share of equal choices by step, a line for each of {names}.",
        figure=figure,
    )


def _panel(
    axes: Axes,
    shown: Sequence[tuple[Point, Staleness]],
    values: Callable[[Staleness], Sequence[float]],
    label: str,
) -> None:
    axes.set(xlabel="step", ylabel=label)
    for rank, (point, staleness) in enumerate(shown):
        height = values(staleness)
        axes.plot(
            range(1, len(height) + 1),
            height,
            label=point.record.run.name,
            lw=1.2,
            color=SHADES[len(SHADES) - 1 - rank],
            marker=MARKERS[rank],
            markevery=max(1, len(height) // 8),
            ms=4,
        )


def _of(point: Point) -> Staleness | None:
    return None if point.record.measurement is None else point.record.measurement.staleness
