"""Quality against latency: every K beside the baseline, and the front that nothing beats in both."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes

from analysis.parity.parity import Parity
from analysis.parity.quality import METRICS
from analysis.report.figures.panel import (
    MOST_PANELS,
    Panel,
    about_disturbed,
    about_human,
    drawn_ends,
    span,
    triple,
)
from analysis.report.figures.style import (
    BASELINE,
    DIFFUSION,
    GREY,
    INK,
    Drawing,
    columns_for,
    draw_human,
    error_bars,
    legend,
    logarithmic,
    look,
    panels,
    plain_log,
    ring,
    shown_of,
    with_human,
)
from analysis.statistics.intervals import Interval

LatencyAndQuality = tuple[float, float]
"""Latency and quality."""


def draw_front(every: Sequence[Panel]) -> Drawing | None:
    """None without a panel. All panels are of one metric."""
    shown = every[:MOST_PANELS]
    if not shown:
        return None
    metric = METRICS[shown[0].parity.metric]
    with look():
        figure, axes = panels(len(shown), columns_for(len(shown)), size=(3.5, 2.7))
        for panel, each in zip(shown, axes, strict=True):
            _panel(each, panel)
        legend(figure, axes)
    corner = "upper" if metric.higher_is_better else "lower"
    return Drawing(
        name=f"pareto-{metric.name}",
        title=f"{metric.label} against latency",
        caption=f"Better is towards the {corner} left. Bars are {shown[0].parity.baseline.level:.0%} confidence"
        " intervals in both directions; the grey line joins the points that no other beats in both."
        + about_human(shown)
        + about_disturbed(shown)
        + shown_of(len(shown), len(every)),
        alt=" ".join(_in_words(panel.parity) for panel in shown),
        figure=figure,
    )


def front(points: Sequence[LatencyAndQuality], *, higher_is_better: bool) -> list[LatencyAndQuality]:
    """The points that no other beats in latency and quality, by latency."""
    sign = 1 if higher_is_better else -1
    kept: list[LatencyAndQuality] = []
    for point in sorted(points, key=lambda each: (each[0], -sign * each[1])):
        if not kept or sign * point[1] > sign * kept[-1][1]:
            kept.append(point)
    return kept


def _panel(axes: Axes, panel: Panel) -> None:
    parity = panel.parity
    ladder = _known(parity.latency_s, parity.quality, parity.steps)
    diffusion = [(latency, quality) for latency, quality, _ in ladder]
    baseline = [each[:2] for each in _known([parity.baseline_latency_s], [parity.baseline], [0])]
    both = [*diffusion, *baseline]
    axes.margins(0.12)
    axes.set(title=panel.title, xlabel="latency of a batch, s (numbers: K)", ylabel=METRICS[parity.metric].label)
    if not both:
        return
    best = front(_places(both), higher_is_better=METRICS[parity.metric].higher_is_better)
    axes.plot(*zip(*best, strict=True), color=GREY, lw=5, alpha=0.25, zorder=1, label="Pareto front")
    _cloud(axes, diffusion, DIFFUSION, "o", "-", parity.diffusion)
    _cloud(axes, baseline, BASELINE, "s", "", parity.baseline_model)
    for (_, _, steps), (x, y) in zip(ladder, _places(diffusion), strict=True):
        axes.annotate(f"{steps}", (x, y), (5, 5), textcoords="offset points", color=INK, fontsize=8)
    draw_human(axes, parity.human)
    unclean = {each.arm for each in parity.disturbed}
    ring(axes, [at for (_, _, k), at in zip(ladder, _places(diffusion), strict=True) if f"K={k}" in unclean])
    ring(axes, _places(baseline) if "baseline" in unclean else [])
    bounds = drawn_ends([latency for latency, _ in both])
    plain_log(axes, "x", span(bounds))
    logarithmic(axes, with_human(drawn_ends([quality for _, quality in both]), parity.human))


def _known(
    latencies: Sequence[Interval | None], qualities: Sequence[Interval], steps: Sequence[int]
) -> list[tuple[Interval, Interval, int]]:
    """The points that have a place in the figure."""
    return [
        (latency, quality, k)
        for latency, quality, k in zip(latencies, qualities, steps, strict=True)
        if latency is not None and math.isfinite(quality.estimate)
    ]


def _cloud(
    axes: Axes,
    points: Sequence[tuple[Interval, Interval]],
    color: str,
    marker: str,
    line: str,
    label: str,
) -> None:
    """Latencies and qualities with their bars."""
    if not points:
        return
    axes.errorbar(
        [x for x, _ in _places(points)],
        [y for _, y in _places(points)],
        xerr=error_bars([triple(latency) for latency, _ in points]),
        yerr=error_bars([triple(quality) for _, quality in points]),
        color=color,
        marker=marker,
        ls=line or "none",
        lw=1.2,
        elinewidth=1,
        capsize=2,
        label=label,
    )


def _places(points: Sequence[tuple[Interval, Interval]]) -> list[LatencyAndQuality]:
    return [(latency.estimate, quality.estimate) for latency, quality in points]


def _in_words(parity: Parity) -> str:
    first, last, baseline = map(_seconds, (parity.latency_s[0], parity.latency_s[-1], parity.baseline_latency_s))
    return (
        f"B={parity.batch}, N={parity.length}: {parity.diffusion} takes {first} at K={parity.steps[0]} and"
        f" {last} at K={parity.steps[-1]}, {parity.baseline_model} {baseline}."
    )


def _seconds(latency: Interval | None) -> str:
    return "an unknown time" if latency is None else f"{latency.estimate:.3g} s"
