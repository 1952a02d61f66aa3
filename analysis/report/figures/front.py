"""Quality against latency: every K beside the baseline, and the front that nothing beats in both."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from analysis.parity.quality import METRICS
from analysis.parity.steps_to_parity import Parity
from analysis.report.figures.panel import MOST_PANELS, Panel, axis_label, triple
from analysis.report.figures.style import (
    BASELINE,
    DIFFUSION,
    GREY,
    INK,
    Drawing,
    columns_for,
    error_bars,
    legend,
    logarithmic,
    look,
    panels,
    plain_log,
    shown_of,
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
        caption=f"Better is towards the {corner} left. Bars are {shown[0].parity.baseline.level:.0%} intervals in both"
        " directions; the grey line joins the points that no other beats in both." + shown_of(len(shown), len(every)),
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
    latencies, qualities = (*parity.latency_s, parity.baseline_latency_s), (*parity.quality, parity.baseline)
    best = front(_points(latencies, qualities), higher_is_better=METRICS[parity.metric].higher_is_better)
    axes.plot(*zip(*best, strict=True), color=GREY, lw=5, alpha=0.25, zorder=1, label="Pareto front")
    _cloud(axes, parity.latency_s, parity.quality, DIFFUSION, "o", "-", parity.diffusion)
    _cloud(axes, [parity.baseline_latency_s], [parity.baseline], BASELINE, "s", "", parity.baseline_model)
    for steps, (x, y) in zip(parity.steps, _points(parity.latency_s, parity.quality), strict=True):
        axes.annotate(f"{steps}", (x, y), (5, 5), textcoords="offset points", color=INK, fontsize=8)
    bounds = [bound for each in latencies for bound in (each.low, each.high)]
    plain_log(axes, "x", max(bounds) / min(bounds))
    logarithmic(axes, [bound for each in qualities for bound in (each.low, each.high)])
    axes.margins(0.12)
    axes.set(title=panel.title, xlabel="latency of a batch, s (numbers: K)", ylabel=axis_label(parity))


def _cloud(
    axes: Axes,
    latencies: Sequence[Interval],
    qualities: Sequence[Interval],
    color: str,
    marker: str,
    line: str,
    label: str,
) -> None:
    axes.errorbar(
        [each.estimate for each in latencies],
        [each.estimate for each in qualities],
        xerr=error_bars([triple(each) for each in latencies]),
        yerr=error_bars([triple(each) for each in qualities]),
        color=color,
        marker=marker,
        ls=line or "none",
        lw=1.2,
        elinewidth=1,
        capsize=2,
        label=label,
    )


def _points(latencies: Sequence[Interval], qualities: Sequence[Interval]) -> list[LatencyAndQuality]:
    return [(x.estimate, y.estimate) for x, y in zip(latencies, qualities, strict=True)]


def _in_words(parity: Parity) -> str:
    first, last = parity.latency_s[0].estimate, parity.latency_s[-1].estimate
    return (
        f"B={parity.batch}, N={parity.length}: {parity.diffusion} takes {first:.3g} s at K={parity.steps[0]} and"
        f" {last:.3g} s at K={parity.steps[-1]}, {parity.baseline_model} {parity.baseline_latency_s.estimate:.3g} s."
    )
