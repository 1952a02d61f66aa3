"""Quality against steps with the baseline's band and the steps to parity; entropy, small, below it."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from analysis.parity.choice import Reading
from analysis.parity.parity import Parity
from analysis.parity.quality import METRICS
from analysis.report.figures.panel import (
    MOST_PANELS,
    Entropy,
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
    INK,
    MARK,
    Drawing,
    columns_for,
    draw_human,
    error_bars,
    grid,
    legend,
    logarithmic,
    look,
    plain_log,
    shown_of,
    whole_numbers,
    with_human,
)
from analysis.report.words.parity import answer, steps_to_parity
from analysis.statistics.intervals import Interval

SHORT = 20
"""A title of up to this many letters leaves room beside it."""
INTERVAL_HEIGHT = 0.035
"""Height of the crossing's marks, as a share of the panel's height."""


def draw_curves(every: Sequence[Panel]) -> Drawing | None:
    """None without a panel. All panels are of one metric."""
    shown = every[:MOST_PANELS]
    if not shown:
        return None
    metric = METRICS[shown[0].parity.metric]
    with look():
        figure, cells = grid(len(shown), columns_for(len(shown)), size=(3.5, 3.1))
        axes: list[Axes] = []
        for cell, panel in zip(cells, shown, strict=True):
            above, below = cell.subgridspec(2, 1, height_ratios=(3, 1), hspace=0.04)
            axes.append(figure.add_subplot(above if panel.entropy else cell))
            _quality(axes[-1], panel)
            if panel.entropy:
                axes[-1].set_xlabel("")
                axes[-1].tick_params(labelbottom=False)
                _entropy(figure.add_subplot(below), panel.entropy)
        legend(figure, axes)
    better = "Higher" if metric.higher_is_better else "Lower"
    return Drawing(
        name=f"quality-{metric.name}",
        title=f"{metric.label} against steps",
        caption=f"{better} is better. Bars and bands are {shown[0].parity.baseline.level:.0%} confidence intervals over"
        " prompts, each by itself. The circle marks the estimate of the steps to parity; the diamond at the foot where"
        " the curves cross between the measured K, with its interval, an arrow where that goes on. Below each curve,"
        " the entropy of the output's tokens: text that repeats itself is easy to predict."
        + about_human(shown)
        + about_disturbed(shown, times=False)
        + shown_of(len(shown), len(every)),
        alt=" ".join(answer(panel.parity) for panel in shown),
        figure=figure,
    )


def _quality(axes: Axes, panel: Panel) -> None:
    parity = panel.parity
    _curve(axes, parity.steps, parity.quality, parity.baseline, (parity.diffusion, parity.baseline_model))
    draw_human(axes, parity.human)
    _mark(axes, parity, panel.title)
    ends = with_human(drawn_ends([*parity.quality, parity.baseline]), parity.human)
    if METRICS[parity.metric].exponential and ends:
        plain_log(axes, "y", span(ends))  # the curves cross where straight lines between logarithms do
    else:
        logarithmic(axes, ends)
    axes.set_ylabel(METRICS[parity.metric].label)


def _entropy(axes: Axes, entropy: Entropy) -> None:
    _curve(axes, entropy.steps, entropy.values, entropy.baseline, (None, None))
    draw_human(axes, entropy.human, label=None)
    axes.set_ylabel("entropy,\nnats")
    axes.locator_params(axis="y", nbins=3)


def _curve(
    axes: Axes,
    steps: Sequence[int],
    values: Sequence[Interval],
    baseline: Interval,
    labels: tuple[str | None, str | None],
) -> None:
    if drawn := drawn_ends([baseline]):
        axes.axhspan(drawn[0], drawn[1], color=BASELINE, alpha=0.14, lw=0)
    axes.axhline(triple(baseline)[0], color=BASELINE, ls="--", label=labels[1])
    axes.errorbar(
        steps,
        [triple(value)[0] for value in values],
        yerr=error_bars([triple(value) for value in values]),
        color=DIFFUSION,
        marker="o",
        capsize=2.5,
        label=labels[0],
    )
    whole_numbers(axes, steps, "steps K")


def _mark(axes: Axes, parity: Parity, title: str) -> None:
    """A ring where parity is reached first, the crossing at the foot; and the answer beside the title, or below it."""
    first, undecided = parity.first_steps, parity.reading is Reading.undecided
    steps = steps_to_parity(parity)
    text = f"parity: K = {steps}" if steps.isdecimal() else f"parity: {steps}" if undecided else f"parity: K {steps}"
    if len(title) > SHORT:
        axes.set_title(f"{title}\n{text}")
    else:
        axes.set_title(title)
        axes.set_title(text, loc="right", fontweight="normal", color=INK)
    if first is not None:
        height = triple(parity.quality[parity.steps.index(first)])[0]
        axes.plot([first], [height], "o", ms=11, mfc="none", mec=MARK, mew=1.8, ls="none", label="steps to parity")
        axes.axvline(first, color=MARK, lw=0.9, ls=":")
    _crossing(axes, parity)


def _crossing(axes: Axes, parity: Parity) -> None:
    """Draw the crossing with its interval at the foot; draw nothing when all of it lies beyond the ladder."""
    crossing, edges, foot = parity.crossing, axes.get_xlim(), axes.get_xaxis_transform()
    if crossing.low == crossing.high:
        return
    ends = [min(max(end, edges[0]), edges[1]) for end in (crossing.low, crossing.high)]
    axes.plot(ends, [INTERVAL_HEIGHT] * 2, transform=foot, color=MARK, lw=3, solid_capstyle="butt")
    for end, position, beyond in zip((crossing.low, crossing.high), ends, "<>", strict=True):
        marker = "|" if end == position else beyond
        axes.plot([position], [INTERVAL_HEIGHT], marker, transform=foot, color=MARK, ms=7, mew=1.5, clip_on=False)
    if crossing.is_inside:
        axes.plot([crossing.steps], [INTERVAL_HEIGHT], "D", transform=foot, color=INK, ms=5)
