"""Break-even as cells, table, sentences, figures and files."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from analysis.cli.main import main
from analysis.parity.break_even import BreakEven
from analysis.parity.limits import Beside
from analysis.report.figures.break_even_map import draw_column, draw_distance, draw_joules, draw_map, draw_row
from analysis.report.map.reached import Reached
from analysis.report.map.study import PairMap, pair_maps
from analysis.report.map.table import break_even_table
from analysis.report.map.words import answers
from analysis.report.tables import as_csv
from analysis.statistics.forward_passes.pace import Layout, Way
from analysis.statistics.intervals import Interval
from crossover.records.record import Record
from crossover.records.settings import Weights
from tests.contrast import AA, contrast
from tests.studies import a_sweep


def a_break_even(way: Way = Way.whole, batch: int = 1, length: int = 128, tokens: float = 4.0) -> BreakEven:
    output = length // 2
    return BreakEven(
        batch=batch,
        layout=Layout(way=way, prompt_tokens=output, output_tokens=output, block=output if way is Way.whole else 32),
        diffusion="small",
        baseline="causal",
        policy="quota",
        cache="dual (lossy)" if way is Way.dual else "none",
        weights=Weights.checkpoint,
        forwards=Interval(output / tokens, 0.9 * output / tokens, 1.1 * output / tokens),
        baseline_s=1.0,
        is_composed=way is not Way.whole,
        processes=1 if way is Way.whole else 0,
        beside=Beside(least_tokens=2 * tokens, baseline_share=0.9, diffusion_share=0.8),
    )


def a_map(
    *cells: BreakEven,
    reached: tuple[Reached, ...] = (),
    predicted: Mapping[tuple[Way, int, int], float] = MappingProxyType({}),
) -> PairMap:
    return PairMap(diffusion="small", baseline="causal", rows=cells, cells=cells, reached=reached, predicted=predicted)


def words(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_a_row_has_forwards_and_tokens_with_intervals_where_they_are_known() -> None:
    table = break_even_table([a_break_even(), a_break_even(Way.dual, tokens=40.0)])
    assert table.title.endswith("small against causal, quota, checkpoint weights, one process each")
    first, second = (dict(zip(table.headings, row, strict=True)) for row in table.rows)
    assert (first["forwards"], first["tokens"]) == ("16.0 [14.4, 17.6]", "4.00 [3.64, 4.44]")
    assert (second["way"], second["tokens"], second["times"]) == ("dual (lossy)", "40.0 > 32", "composed")
    assert "tokens for energy" not in table.headings


def test_the_csv_has_raw_numbers_and_nothing_where_nothing_is_known() -> None:
    first, second = csv.DictReader(as_csv(break_even_table([a_break_even(), a_break_even(Way.dual)])).splitlines())
    assert float(first["tokens_per_forward_needed"]) == 4.0
    assert float(first["break_even_forwards_low"]) == pytest.approx(14.4)
    assert float(first["break_even_forwards_high"]) == pytest.approx(17.6)
    assert second["break_even_forwards_low"] == second["break_even_forwards_high"] == second["processes"] == ""
    assert (first["times"], second["times"]) == ("measured", "composed")


def test_what_differs_between_rows_is_a_column_and_what_some_have_is_shown() -> None:
    other = replace(
        a_break_even(batch=8), baseline="second", policy="random", disturbed=True, beside=Beside(joule_tokens=5.0)
    )
    table = break_even_table([a_break_even(), other])
    assert table.title.endswith("tokens that each must write: small, checkpoint weights, one process each")
    assert {"baseline", "policy", "tokens for energy", "tokens at limit", "machine"} <= set(table.headings)
    assert not {"diffusion", "weights"} & set(table.headings)
    first, second = (dict(zip(table.headings, row, strict=True)) for row in table.rows)
    assert (first["tokens for energy"], first["tokens at limit"], first["machine"], first["policy"]) == (
        "",
        "8.00",
        "",
        "quota",
    )
    assert (second["tokens for energy"], second["tokens at limit"], second["machine"]) == ("5.00", "", "disturbed")
    assert (second["baseline"], second["policy"]) == ("second", "random")


@pytest.mark.parametrize(
    ("processes", "words"), [((0, 0), ""), ((1, 0), ", one process each"), ((1, 3), ", 1 and 3 processes a run")]
)
def test_the_title_says_what_intervals_cover(processes: tuple[int, int], words: str) -> None:
    rows = [replace(a_break_even(), processes=each) for each in processes]
    assert break_even_table(rows).title.endswith(f"small against causal, quota, checkpoint weights{words}")


def test_a_table_without_rows_has_its_name_alone() -> None:
    assert break_even_table([]).title.endswith("tokens that each must write")


def test_a_sentence_a_way_names_the_best_and_the_worst_cell() -> None:
    cells = [a_break_even(), a_break_even(batch=8, tokens=30.0), a_break_even(Way.dual, tokens=40.0)]
    assert answers(cells) == [
        (
            "To be faster than causal, small (whole canvas) needs from 4.00 [3.64, 4.44] tokens per forward pass at"
            " B=1, N=128 to 30.0 [27.3, 33.3] tokens per forward pass at B=8, N=128."
        ),
        (
            "To be faster than causal, small (dual cache) needs 40.0 tokens per forward pass at B=1, N=128, composed,"
            " more than its block of 32."
        ),
    ]


def test_the_map_has_a_panel_a_way_and_the_limit_beside_it() -> None:
    drawing = draw_map(a_map(a_break_even(), a_break_even(Way.dual, tokens=40.0), a_break_even(Way.dual, batch=8)))
    assert drawing is not None
    measured, limit, dual, _ = drawing.figure.axes
    assert (words(measured), words(limit)) == (["4.0", "±11%"], ["8.0"]), "sqrt(1.1 / 0.9) is 1.106"
    assert words(dual) == ["(~40)", "~4.0"]
    assert "95% interval" in drawing.caption
    assert measured.get_title("left") == "Whole canvas\nmeasured"
    assert "Whole canvas: from 4.00 at B=1, N=128" in drawing.alt


def test_the_row_has_the_measured_panels_side_by_side() -> None:
    drawing = draw_row(a_map(a_break_even(), a_break_even(Way.dual, tokens=40.0), a_break_even(Way.dual, batch=8)))
    assert drawing is not None
    whole, dual = drawing.figure.axes
    assert (words(whole), words(dual)) == (["4.0"], ["(~40)", "~4.0"])
    assert whole.get_title("left") == "Whole canvas"
    assert whole.get_subplotspec().rowspan == dual.get_subplotspec().rowspan  # type: ignore[union-attr]


def test_the_column_has_the_same_panels_below_each_other_with_intervals() -> None:
    drawing = draw_column(a_map(a_break_even(), a_break_even(Way.dual, tokens=40.0), a_break_even(Way.dual, batch=8)))
    assert drawing is not None
    whole, dual = drawing.figure.axes
    assert (words(whole), words(dual)) == (["4.0", "±11%"], ["(~40)", "~4.0"])
    assert whole.get_subplotspec().colspan == dual.get_subplotspec().colspan  # type: ignore[union-attr]
    assert drawing.figure.get_figwidth() < 5, "inches: 8.5 points are 9 pixels or more on a screen of 390"


def test_numbers_stand_out_on_every_shade() -> None:
    drawing = draw_map(a_map(*(a_break_even(batch=2**power, tokens=2.0**power) for power in range(10))))
    assert drawing is not None
    measured = drawing.figure.axes[0]
    numbers = [text for text in measured.texts if not text.get_text().startswith("±")]
    assert {text.get_color() for text in measured.texts} == {number.get_color() for number in numbers}
    for cell, number in zip(measured.patches, numbers, strict=True):
        assert contrast(to_hex(cell.get_facecolor()), to_hex(number.get_color())) >= AA, number.get_text()


def test_a_cell_without_a_time_has_what_the_limit_says_on_white() -> None:
    predicted = {(Way.whole, 1, 128): 8.0, (Way.whole, 8, 128): 70.0, (Way.dual, 8, 128): 9.0}
    drawing = draw_map(a_map(a_break_even(), predicted=predicted))
    assert drawing is not None
    measured, limit = drawing.figure.axes
    assert (words(measured), words(limit)) == (["4.0", "±11%", "(70)"], ["8.0", "(70)"])
    assert (len(measured.patches), len(limit.patches)) == (1, 2)


def test_trained_models_have_a_ring_where_their_steps_are_few_enough_and_a_cross_where_not() -> None:
    marks = tuple(Reached(way=Way.whole, batch=1, length=128, steps=steps) for steps in (16, 17, None))
    drawing = draw_map(a_map(a_break_even(), a_break_even(batch=8), reached=marks))
    assert drawing is not None
    assert [line.get_marker() for line in drawing.figure.axes[0].lines] == ["o", "x", "x"]
    assert "A circle: trained models" in drawing.caption


def test_joules_and_distance_are_drawn_where_they_are_known() -> None:
    pair = a_map(a_break_even(), a_break_even(batch=8))
    assert draw_joules(pair) is None
    distance = draw_distance(pair)
    assert distance is not None
    assert [words(axes) for axes in distance.figure.axes] == [["90", "90"], ["80", "80"]]


@pytest.fixture
def outputs(tmp_path: Path) -> str:
    return written(tmp_path, a_sweep())


def written(folder: Path, records: list[Record]) -> str:
    (folder / "records").mkdir()
    for index, record in enumerate(records):
        (folder / "records" / f"{index}.json").write_text(record.to_json(), encoding="utf-8")
    return str(folder)


def test_the_command_prints_the_table_and_writes_the_map(
    outputs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["map", outputs, "--output", str(tmp_path / "map")])
    printed = capsys.readouterr().out
    assert "Break-even" in printed
    assert "To be faster than causal, small (whole canvas) needs" in printed
    files = {file.name for file in (tmp_path / "map").iterdir()}
    assert files == {
        *(f"break-even.{kind}" for kind in ("csv", "md", "tex")),
        "break-even-map.svg",
        "break-even-map.png",
    }


def test_without_a_baseline_the_command_says_what_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["map", written(tmp_path, [each for each in a_sweep() if each.run.diffusion])])
    assert "nothing here gives a break-even: it needs an autoregressive and a diffusion run" in capsys.readouterr().err


def test_cells_that_were_measured_are_not_listed_twice() -> None:
    (pair,) = pair_maps(a_sweep())
    assert len(pair.rows) == len({(each.layout.way, each.batch, each.layout.length) for each in pair.rows})
    assert replace(pair, rows=()).cells == pair.cells
