"""Time along a generation: of each diffusion step, and of each autoregressive token after the first."""

from collections.abc import Sequence
from statistics import median, quantiles
from typing import Any

from matplotlib.axes import Axes

from analysis.report.figures.style import MARKERS, SHADES, Drawing, legend, look, panels, plain_log, shown_of
from analysis.report.points import Point, about_machines, spread_out
from analysis.statistics.metrics import times_by_step

MOST_LENGTHS = 4
MS = 1000


def draw_timeline(points: Sequence[Point]) -> Drawing | None:
    """Two panels for each length, at the most steps that were measured there; None without any times."""
    timed = [point for point in points if point.record.measurement and _times(point)]
    if not timed:
        return None
    every = sorted({point.length for point in timed})
    lengths = spread_out(every, MOST_LENGTHS)
    batches = spread_out((point.batch for point in timed), len(SHADES))
    with look():
        figure, axes = panels(2 * len(lengths), 2, size=(3.9, 2.3))
        for row, length in enumerate(lengths):
            own = [point for point in timed if point.length == length and point.batch in batches]
            _panel(axes[2 * row], [p for p in own if not p.diffuses], batches, f"N = {length}: tokens", "output token")
            _panel(axes[2 * row + 1], _finest(own), batches, f"N = {length}: diffusion steps", "step")
        legend(figure, axes, columns=6)
    return Drawing(
        name="timeline",
        title="Time of each token and of each step",
        caption="Median over the timed samples, with the band between the quartiles. Tokens are those after the first,"
        " which prefill makes; steps are those of the run with the most of them. Of several processes the first is"
        " shown." + about_machines(timed) + shown_of(len(lengths), len(every)),
        alt="Milliseconds of each autoregressive token and of each diffusion step in the order of generation, a line"
        f" for each batch ({', '.join(map(str, batches))}), for length {', '.join(map(str, lengths))}.",
        figure=figure,
    )


def _panel(axes: Axes, points: Sequence[Point], batches: Sequence[int], title: str, unit: str) -> None:
    axes.set(title=title, xlabel=unit, ylabel=f"time of a {unit.rpartition(' ')[2]}, ms")
    shades = SHADES[len(SHADES) - len(batches) :]
    extremes: list[float] = []
    for point in points:
        rank = batches.index(point.batch)
        lows, middles, highs = zip(*(_spread(times) for times in _times(point)), strict=True)
        numbers = range(1 if point.diffuses else 2, len(middles) + (1 if point.diffuses else 2))
        style: dict[str, Any] = {
            "color": shades[rank],
            "marker": MARKERS[rank],
            "markevery": max(1, len(middles) // 8),
            "ms": 4,
        }
        axes.plot(numbers, middles, label=f"B={point.batch}", lw=1.2, **style)
        axes.fill_between(numbers, lows, highs, color=shades[rank], alpha=0.18, lw=0)
        extremes += [min(middles), max(middles)]
    if not points:
        axes.text(0.5, 0.5, "none measured", transform=axes.transAxes, ha="center")
    elif max(extremes) > 4 * min(extremes) > 0:
        plain_log(axes, "y", max(extremes) / min(extremes))
    else:
        axes.set_ylim(0, max(axes.get_ylim()[1], 1.1 * max(extremes)))


def _finest(points: Sequence[Point]) -> list[Point]:
    """For each batch, the diffusion run with the most steps."""
    best: dict[int, Point] = {}
    for point in points:
        if point.diffuses and (point.steps or 0) >= (best[point.batch].steps or 0 if point.batch in best else 0):
            best[point.batch] = point
    return [best[batch] for batch in sorted(best)]


def _times(point: Point) -> list[tuple[float, ...]]:
    """For each step or token, its times in all samples, in ms."""
    assert point.record.measurement is not None
    return [tuple(time * MS for time in times) for times in times_by_step(point.record.measurement)]


def _spread(times: Sequence[float]) -> tuple[float, float, float]:
    low, _, high = quantiles(times, n=4, method="inclusive") if len(times) > 1 else (times[0],) * 3
    return low, median(times), high
