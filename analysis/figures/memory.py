"""Peak memory against length, a panel for each batch; points that ran out of memory are crosses."""

from collections.abc import Sequence

from matplotlib.axes import Axes

from analysis.figures.style import (
    BASELINE,
    DIFFUSION,
    GREEN,
    GREY,
    INK,
    PURPLE,
    Drawing,
    columns_for,
    legend,
    look,
    panels,
    shown_of,
    whole_numbers,
)
from analysis.points import Point, spread_out

GIB = 2**30
PEAK = "max_memory_reserved"
MOST_BATCHES = 9


def draw_memory(points: Sequence[Point]) -> Drawing | None:
    """None when no point has a peak and none ran out of memory."""
    known = [point for point in points if PEAK in point.values or point.ran_out_of_memory]
    if not known:
        return None
    every = sorted({point.batch for point in known})
    batches = spread_out(every, MOST_BATCHES)
    ceiling = _ceiling(known)
    with look():
        figure, axes = panels(len(batches), columns_for(len(batches)))
        for batch, panel in zip(batches, axes, strict=True):
            _panel(panel, [point for point in known if point.batch == batch], known, ceiling)
            panel.set_title(f"B = {batch}")
            panel.set_ylabel("peak memory, GiB")
        legend(figure, axes)
    lost = [point for point in known if point.ran_out_of_memory]
    return Drawing(
        name="memory",
        title="Peak memory against length",
        caption="Reserved by PyTorch's allocator on a GPU, resident on a CPU, over one untimed generation."
        " A line is the mean over steps, its bars the least and the most."
        + (" A cross ran out of memory." if lost else "")
        + shown_of(len(batches), len(every)),
        alt=f"Peak memory in GiB against length for batch {', '.join(map(str, batches))}; {len(lost)} points ran out"
        f" of memory{': ' + ', '.join(point.record.name for point in lost[:12]) if lost else ''}.",
        figure=figure,
    )


def _ceiling(points: Sequence[Point]) -> float | None:
    """The GPU's memory in GiB, when something ran out of it."""
    sizes = {
        point.record.environment.gpu_memory_bytes
        for point in points
        if point.ran_out_of_memory and point.record.environment is not None
    }
    found = [size for size in sizes if size is not None]
    return max(found) / GIB if found else None


def _panel(axes: Axes, points: Sequence[Point], known: Sequence[Point], ceiling: float | None) -> None:
    peaks = [point.values[PEAK] / GIB for point in known if PEAK in point.values]
    top = ceiling or 1.15 * max(peaks, default=1.0)
    colors = _colors(known)
    for model, color in colors.items():
        own = [point for point in points if point.model == model]
        diffuses = any(point.diffuses for point in own)
        _line(axes, [point for point in own if PEAK in point.values], color, diffuses=diffuses, label=model)
        lost = sorted({point.length for point in own if point.ran_out_of_memory})
        if lost:
            label = f"{model}, out of memory"
            axes.plot(lost, [top] * len(lost), "X" if diffuses else "x", color=color, ms=8, mew=1.8, label=label)
    if ceiling:
        axes.axhline(ceiling, color=GREY, lw=0.8, ls=":")
        axes.annotate("the GPU's memory", (0.01, ceiling), xycoords=("axes fraction", "data"), va="bottom", color=GREY)
    axes.set_ylim(0, top * 1.14)
    whole_numbers(axes, [point.length for point in known], "length N, tokens")
    axes.tick_params(labelcolor=INK)


def _line(axes: Axes, points: Sequence[Point], color: str, *, diffuses: bool, label: str) -> None:
    lengths = sorted({point.length for point in points})
    peaks = [[p.values[PEAK] / GIB for p in points if p.length == length] for length in lengths]
    if not lengths:
        return
    means = [sum(each) / len(each) for each in peaks]
    below = [mean - min(each) for mean, each in zip(means, peaks, strict=True)]
    above = [max(each) - mean for mean, each in zip(means, peaks, strict=True)]
    marker, style = ("o", "-") if diffuses else ("s", "--")
    axes.errorbar(
        lengths, means, yerr=[below, above], color=color, marker=marker, linestyle=style, capsize=2, label=label
    )


def _colors(points: Sequence[Point]) -> dict[str, str]:
    targets = sorted({point.model for point in points if point.diffuses})
    baselines = sorted({point.model for point in points if not point.diffuses})
    return dict(zip(baselines, (BASELINE, PURPLE) * 9, strict=False)) | dict(
        zip(targets, (DIFFUSION, GREEN) * 9, strict=False)
    )
