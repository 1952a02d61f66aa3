"""Accuracy against forward passes, and against tokens per forward pass with the area under it."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from analysis.parity.quality import METRICS
from analysis.report.figures.panel import MOST_PANELS, Panel, triple
from analysis.report.figures.style import (
    BASELINE,
    DIFFUSION,
    INK,
    Drawing,
    error_bars,
    grid,
    legend,
    look,
    plain_log,
    shown_of,
)
from analysis.report.words.numbers import number
from analysis.report.words.parity import batch_and_length
from analysis.statistics.intervals import Interval
from analysis.statistics.parallelism import accuracy_under_parallelism

Places = Sequence[tuple[float, Interval]]
"""Where a point stands on the x axis, and its accuracy."""


def draw_parallelism(every: Sequence[Panel]) -> Drawing | None:
    """None where the metric is no share of right answers, or no forward passes are known."""
    with_passes = [panel for panel in every if METRICS[panel.parity.metric].is_share and panel.passes is not None]
    shown = with_passes[: MOST_PANELS // 2]
    if not shown:
        return None
    metric = METRICS[shown[0].parity.metric]
    with look():
        figure, cells = grid(len(shown), 1, size=(7.0, 2.6))
        axes: list[Axes] = []
        for cell, panel in zip(cells, shown, strict=True):
            left, right = (figure.add_subplot(part) for part in cell.subgridspec(1, 2, wspace=0.05))
            _forwards(left, panel)
            _tokens(right, panel)
            axes += [left, right]
        legend(figure, axes)
    return Drawing(
        name=f"parallelism-{metric.name}",
        title=f"{metric.label} against forward passes and tokens per forward pass",
        caption="Higher is better. Left: forward passes of one generation. Right: output tokens of a sequence over its"
        " forward passes; the autoregressive model has 1. Bars are"
        f" {shown[0].parity.baseline.level:.0%} confidence intervals over prompts, each by itself. AUP, accuracy under"
        " parallelism, is the weighted area under the right curve as the d3LLM leaderboard defines it (in percent;"
        " points that lose more than 5 points of accuracy to the least parallel one do not count); it is an estimate"
        " without interval. Time and hardware do not enter." + shown_of(len(shown), len(with_passes)),
        alt=" ".join(_in_words(panel) for panel in shown),
        figure=figure,
    )


def areas(panel: Panel) -> tuple[float, float]:
    """AUP of diffusion and of the baseline."""
    ladder, baseline = _by_tokens(panel)
    best = max(quality.estimate for _, quality in (*ladder, *baseline))
    of_diffusion, of_baseline = (
        accuracy_under_parallelism([(rate, quality.estimate) for rate, quality in points], best)
        for points in (ladder, baseline)
    )
    return of_diffusion, of_baseline


def _by_tokens(panel: Panel) -> tuple[Places, Places]:
    assert panel.passes is not None
    rates = [panel.passes.output_tokens / each for each in panel.passes.ladder]
    rate = panel.passes.output_tokens / panel.passes.baseline
    return list(zip(rates, panel.parity.quality, strict=True)), [(rate, panel.parity.baseline)]


def _forwards(axes: Axes, panel: Panel) -> None:
    assert panel.passes is not None
    ladder = list(zip(panel.passes.ladder, panel.parity.quality, strict=True))
    baseline = [(float(panel.passes.baseline), panel.parity.baseline)]
    axes.set(title=panel.title, xlabel="forward passes (numbers: K)", ylabel=METRICS[panel.parity.metric].label)
    _both(axes, panel, ladder, baseline)


def _tokens(axes: Axes, panel: Panel) -> None:
    ladder, baseline = _by_tokens(panel)
    of_diffusion, of_baseline = areas(panel)
    axes.set(
        title=f"AUP {number(of_diffusion)}, baseline {number(of_baseline)}",
        xlabel="tokens per forward pass (numbers: K)",
        ylabel=METRICS[panel.parity.metric].label,
    )
    _both(axes, panel, ladder, baseline)


def _both(axes: Axes, panel: Panel, ladder: Places, baseline: Places) -> None:
    _points(axes, ladder, DIFFUSION, "o", "-", panel.parity.diffusion)
    _points(axes, baseline, BASELINE, "s", "none", panel.parity.baseline_model)
    for steps, (x, quality) in zip(panel.parity.steps, ladder, strict=True):
        axes.annotate(f"{steps}", (x, quality.estimate), (5, 5), textcoords="offset points", color=INK, fontsize=8)
    axes.margins(0.12)
    axes.set_ylim(bottom=0)
    every = [x for x, _ in (*ladder, *baseline)]
    plain_log(axes, "x", max(every) / min(every))


def _points(axes: Axes, points: Places, color: str, marker: str, line: str, label: str) -> None:
    axes.errorbar(
        [x for x, _ in points],
        [quality.estimate for _, quality in points],
        yerr=error_bars([triple(quality) for _, quality in points]),
        color=color,
        marker=marker,
        ls=line,
        lw=1.2,
        elinewidth=1,
        capsize=2,
        label=label,
    )


def _in_words(panel: Panel) -> str:
    assert panel.passes is not None
    parity = panel.parity
    points = ", ".join(
        f"{number(quality.estimate)} in {passes} (K={k})"
        for k, passes, quality in zip(parity.steps, panel.passes.ladder, parity.quality, strict=True)
    )
    of_diffusion, of_baseline = areas(panel)
    return (
        f"At {batch_and_length(parity)} {parity.diffusion} has an accuracy of {points} forward passes, AUP"
        f" {number(of_diffusion)}; {parity.baseline_model} {number(parity.baseline.estimate)} in"
        f" {panel.passes.baseline}, AUP {number(of_baseline)}."
    )
