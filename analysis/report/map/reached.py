"""Where trained models stand on the map: the forward passes that they are shown to need, by any records of quality.

What a model writes does not depend on how many rows are decoded together, nor on how fast. So a comparison at one batch
holds at every batch of its length, and one of checkpoints on the map of random weights of the same models.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from analysis.parity.timed_pairs import Pair
from analysis.report.figures.panel import Panel
from analysis.statistics.forward_passes.pace import Way
from crossover.records.settings import Weights

WAYS = {"cache=dual": Way.dual, "cache=exact": Way.block_causal}
"""In the name of a diffusion model, how its runs compute; one with another cache has no panel."""
OTHER_CACHE = "cache="


@dataclass(frozen=True, kw_only=True)
class Reached:
    """Where trained models were compared: the steps by which diffusion is shown to be as good, None where it is not.

    Nor is it where the texts differ in entropy: a judge's parity is none there.
    """

    way: Way
    batch: int
    length: int
    steps: int | None


@dataclass(frozen=True, kw_only=True)
class TrainedComparison:
    """A comparison of two trained models by one metric; each model is its label among the records, and its name."""

    diffusion: tuple[str, str]
    baseline: tuple[str, str]
    metric: str
    reached: Reached


def compared_pairs(panels: Iterable[Panel], names: Mapping[str, str]) -> list[TrainedComparison]:
    """The comparisons that have a place on a map; `names` are those of models by the labels that tell them apart."""
    return [each for panel in panels if (each := _compared(panel, names)) is not None]


def reached_at(
    pair: Pair, compared: Sequence[TrainedComparison], cells: Collection[tuple[Way, int, int]]
) -> Iterator[Reached]:
    """A mark for each cell whose length was compared: the worst metric's, by the best policy of each.

    A comparison at the cell's own batch comes first; else the worst at other batches counts.
    """
    own = [each for each in compared if _is_of(pair, each)]
    for way, batch, length in sorted(cells):
        fitting = [each for each in own if (each.reached.way, each.reached.length) == (way, length)]
        at_batch = [each for each in fitting if each.reached.batch == batch]
        if fitting:
            yield Reached(way=way, batch=batch, length=length, steps=_steps(at_batch or fitting))


def _steps(compared: Iterable[TrainedComparison]) -> int | None:
    by_metric: dict[tuple[str, int], list[int]] = defaultdict(list)
    for each in compared:
        by_metric[each.metric, each.reached.batch] += [] if each.reached.steps is None else [each.reached.steps]
    least = [min(steps, default=None) for steps in by_metric.values()]
    return None if None in least else max(each for each in least if each is not None)


def _is_of(pair: Pair, compared: TrainedComparison) -> bool:
    """Whether they are the pair's own checkpoints; of random weights, any of those names."""
    is_random = pair.of_diffusion[0][0].run.weights is Weights.random
    diffusion, baseline = pair.of_diffusion[0][0].run.model.name, pair.of_baseline[0][0].run.model.name
    if is_random:
        return (compared.diffusion[1], compared.baseline[1]) == (diffusion, baseline)
    return (compared.diffusion[0], compared.baseline[0]) == (pair.diffusion, pair.baseline)


def _compared(panel: Panel, names: Mapping[str, str]) -> TrainedComparison | None:
    parity = panel.parity
    fitting = [label for label in names if parity.diffusion == label or parity.diffusion.startswith(f"{label} ")]
    label = max(fitting, key=len, default=None)
    if label is None or parity.baseline_model not in names:
        return None
    sampling = parity.diffusion.removeprefix(label).split()
    cache = next((word for word in sampling if word.startswith(OTHER_CACHE)), None)
    way = Way.whole if cache is None else WAYS.get(cache)
    if way is None:
        return None
    steps = None if parity.is_of_unlike_texts or parity.is_of_copies else parity.first_steps_interval[1]
    return TrainedComparison(
        diffusion=(label, names[label]),
        baseline=(parity.baseline_model, names[parity.baseline_model]),
        metric=parity.metric,
        reached=Reached(way=way, batch=parity.batch, length=parity.length, steps=steps),
    )
