"""Quality against entropy: each arm over temperatures, read where its texts are as varied as the authors'."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from analysis.parity.fronts.parity import Front
from analysis.parity.quality import METRICS
from analysis.report.figures.panel import MOST_PANELS, drawn_ends, triple
from analysis.report.figures.style import (
    BASELINE,
    HUMAN,
    INK,
    MARKERS,
    SHADES,
    Drawing,
    columns_for,
    error_bars,
    legend,
    logarithmic,
    look,
    panels,
    shown_of,
)
from analysis.report.study import FrontPanel
from analysis.report.words.fronts import front_answer
from crossover.confidence import LEVEL


def draw_fronts(every: Sequence[FrontPanel]) -> Drawing | None:
    """None without fronts. All are of one metric."""
    shown = every[:MOST_PANELS]
    if not shown:
        return None
    metric = METRICS[shown[0].fronts.metric]
    with look():
        figure, axes = panels(len(shown), columns_for(len(shown)), size=(3.7, 3.0))
        for panel, each in zip(shown, axes, strict=True):
            _panel(each, panel)
        legend(figure, axes, columns=2 if len(shown) == 1 else 4)
    return Drawing(
        name=f"entropy-{metric.name}",
        title=f"{metric.label} against entropy",
        caption=f"{'Higher' if metric.higher_is_better else 'Lower'} is better at the same entropy. Each line joins the"
        " temperatures of one arm, which stand beside the points of the baseline and of the largest K. Bars are"
        f" {LEVEL:.0%} confidence intervals over prompts in both directions. The star is the documents' true"
        " continuations; parity is read on the dotted line through it, where the texts are as varied as theirs."
        + shown_of(len(shown), len(every)),
        alt=" ".join(front_answer(panel.fronts) for panel in shown),
        figure=figure,
    )


def _panel(axes: Axes, panel: FrontPanel) -> None:
    fronts = panel.fronts
    baseline, *ladder = fronts.fronts
    _front(axes, baseline, BASELINE, "s", "--", fronts.baseline_model)
    for index, front in enumerate(ladder):
        shade = SHADES[round(index * (len(SHADES) - 1) / max(1, len(ladder) - 1))]
        _front(axes, front, shade, MARKERS[index % len(MARKERS)], "-", f"{fronts.diffusion} K={front.steps}")
    for front in (baseline, ladder[-1]):
        _temperatures(axes, front)
    axes.axvline(baseline.human_entropy, color=INK, ls=":", lw=1.2)
    if fronts.human is not None:
        axes.plot([baseline.human_entropy], [fronts.human], "*", color=INK, ms=10, ls="none", label=HUMAN, zorder=3)
    logarithmic(axes, drawn_ends([point.quality for front in fronts.fronts for point in front.points]))
    metric = METRICS[fronts.metric]
    title = f"B = {fronts.batch}, N = {fronts.length}" + (f", {panel.setting}" if panel.setting else "")
    axes.set(title=title, xlabel="entropy of a text's tokens, nats (T: temperature)", ylabel=metric.label)


def _front(axes: Axes, front: Front, color: str, marker: str, line: str, label: str) -> None:
    entropies = [triple(point.entropy) for point in front.points]
    qualities = [triple(point.quality) for point in front.points]
    axes.errorbar(
        [each[0] for each in entropies],
        [each[0] for each in qualities],
        xerr=error_bars(entropies),
        yerr=error_bars(qualities),
        color=color,
        marker=marker,
        ls=line,
        lw=1.2,
        elinewidth=0.8,
        label=label,
    )


def _temperatures(axes: Axes, front: Front) -> None:
    for point in front.points:
        position = (point.entropy.estimate, point.quality.estimate)
        axes.annotate(f"T={point.temperature:g}", position, (5, -9), textcoords="offset points", color=INK, fontsize=7)
