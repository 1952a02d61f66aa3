"""Marks of trained models on the map, from comparisons at any batch and of any weights."""

from dataclasses import replace

from analysis.report.figures.panel import Panel
from analysis.report.map.reached import Reached
from analysis.report.map.study import pair_maps
from analysis.statistics.forward_passes.pace import Way
from analysis.statistics.intervals import Interval
from crossover.records.record import Record
from crossover.records.settings import Weights
from tests.studies import a_panel, a_parity, a_sweep, not_reached


def marks(records: list[Record], *panels: Panel) -> dict[tuple[Way, int], int | None]:
    (pair,) = pair_maps(records, panels)
    assert {each.length for each in pair.reached} <= {16}
    return {(each.way, each.batch): each.steps for each in pair.reached}


def random_sweep() -> list[Record]:
    """As a_sweep, timed with random weights: nothing was judged."""
    records = []
    for record in a_sweep():
        assert record.measurement is not None
        run = replace(record.run, weights=Weights.random, judge=None, encoder=None)
        measured = replace(record.measurement, scores=(), generated=())
        records.append(replace(record, run=run, key=run.key, name=run.name, measurement=measured))
    return records


def test_a_comparison_at_one_batch_marks_every_batch_of_its_length() -> None:
    assert marks(a_sweep(), a_panel()) == {(Way.whole, 1): 8, (Way.whole, 8): 8}


def test_one_at_the_cells_own_batch_comes_first() -> None:
    own = a_panel(a_parity(batch=8, first_steps_interval=(2, 4)))
    assert marks(a_sweep(), a_panel(), own) == {(Way.whole, 1): 8, (Way.whole, 8): 4}


def test_other_models_other_lengths_and_caches_without_a_panel_mark_nothing() -> None:
    others = ({"diffusion": "smaller"}, {"baseline_model": "other"}, {"length": 32})
    assert not marks(a_sweep(), *(a_panel(a_parity(**each)) for each in others))
    assert not marks(a_sweep(), a_panel(a_parity(diffusion="small block=4 cache=prefix (lossy)")))


def test_the_best_policy_counts_and_the_worst_metric() -> None:
    better = a_panel(a_parity(diffusion="small threshold", first_steps_interval=(2, 4)))
    assert marks(a_sweep(), a_panel(), better)[Way.whole, 1] == 4
    failing = a_panel(not_reached(metric="accuracy"))
    assert marks(a_sweep(), a_panel(), better, failing)[Way.whole, 1] is None


def test_checkpoints_mark_the_map_of_random_weights_of_the_same_names() -> None:
    maps = pair_maps([*random_sweep(), *a_sweep(batches=(4,))], [a_panel(a_parity(batch=4))])
    assert [[each.batch for each in pair.reached] for pair in maps] == [[1, 8], [4]]
    assert maps[0].reached[0] == Reached(way=Way.whole, batch=1, length=16, steps=8)


def test_a_parity_of_texts_that_are_not_equally_varied_is_none() -> None:
    apart = a_panel(a_parity(entropy_gap=Interval(-3.8, -4.0, -3.6)))
    assert marks(a_sweep(), apart)[Way.whole, 1] is None
