import csv
import io
from dataclasses import replace

from analysis.parity.flags import Disturbance
from analysis.report.grid_table import grid_table
from analysis.report.parity_table import parity_table
from analysis.report.points import points, points_of
from analysis.report.tables import LONG, Table, as_csv, as_latex, as_markdown
from analysis.report.words.parity import answer
from analysis.statistics.intervals import Interval
from crossover.records.machine import Verdict, Watched
from tests.factories import (
    a_failed_record,
    a_measurement,
    a_record,
    a_run,
    an_autoregressive_run,
    an_environment,
)
from tests.studies import a_parity, a_sweep, not_reached


def a_table(rows: int = 1) -> Table:
    return Table(
        name="t",
        title="T",
        headings=("model", "K"),
        words=frozenset({"model"}),
        rows=(("tiny_x & y|z", "> 8"),) * rows,
        raw=({"model": "tiny_x & y|z", "steps": None},) * rows,
    )


def test_csv_holds_raw_values_and_nothing_for_the_unknown() -> None:
    assert as_csv(a_table()) == "model,steps\ntiny_x & y|z,\n"


def test_no_cell_of_a_csv_is_a_formula() -> None:
    """A spreadsheet would run a model that is called =HYPERLINK(...); numbers below zero stay numbers."""
    raw = ({"model": '=HYPERLINK("x")', "note": "@x", "difference": -0.5},)
    table = Table(name="t", title="T", headings=("model",), words=frozenset(), rows=(("x",),), raw=raw)
    (row,) = csv.DictReader(io.StringIO(as_csv(table)))
    assert row == {"model": """'=HYPERLINK("x")""", "note": "'@x", "difference": "-0.5"}


def test_a_cell_is_one_line() -> None:
    table = Table(name="t", title="T", headings=("model",), words=frozenset(), rows=(("a\nb",),), raw=())
    assert "| a b |" in as_markdown(table)
    assert r"a b \\" in as_latex(table)


def test_markdown_escapes_what_would_end_a_cell() -> None:
    assert as_markdown(a_table()).splitlines() == ["| model | K |", "| :-- | --: |", "| tiny_x & y\\|z | > 8 |"]


def test_latex_is_a_booktabs_table_with_its_letters_escaped() -> None:
    text = as_latex(a_table())
    assert text.splitlines()[:3] == [r"\begin{tabular}{lr}", r"\toprule", r"model & K \\"]
    assert r"tiny\_x \& y|z & $>$ 8 \\" in text
    assert text.endswith("\\bottomrule\n\\end{tabular}\n")


def test_remarks_become_notes_below_a_latex_table_each_once() -> None:
    rows = (("1", "A & b."), ("8", ""), ("[16]", "A & b."), ("*", "C_d."))
    table = Table(name="t", title="T", headings=("B", "remarks"), words=frozenset({"remarks"}), rows=rows, raw=())
    assert as_latex(table).splitlines() == [
        r"\begin{tabular}{r}",
        r"\toprule",
        r"B \\",
        r"\midrule",
        r"1$^{1}$ \\",
        r"8 \\",
        r"{}[16]$^{1}$ \\",
        r"{}*$^{2}$ \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\par{\footnotesize$^{1}$ A \& b.}",
        r"\par{\footnotesize$^{2}$ C\_d.}",
    ]


def test_a_long_latex_table_breaks_over_pages() -> None:
    text = as_latex(a_table(LONG))
    assert r"\begin{longtable}" in text
    assert text.count(r"\endhead") == 1


def test_a_row_of_a_grid_names_its_gpu_or_else_its_cpu_or_else_the_kind_of_device() -> None:
    here = an_environment()
    records = [
        a_record(a_run(batch=batch), environment=environment)
        for batch, environment in ((1, replace(here, gpu="H100")), (2, replace(here, gpu=None)), (4, None))
    ]
    assert [row["device"] for row in grid_table(points(records)).raw] == ["H100", here.cpu, "cpu"]


def test_the_parity_table_says_once_what_all_rows_share() -> None:
    table = parity_table([(a_parity(), ""), (not_reached(batch=8), "")])
    assert table.title == "Steps to parity: small against causal, generative perplexity, one process a run"
    assert table.headings[:4] == ("B", "N", "of baseline", "K at parity")
    assert table.rows[0][3:6] == ("4 [4, 8]", "19.0 [16.0, 22.0]", "1.30 [1.20, 1.40]")
    assert table.rows[0][6:8] == ("3.60 [2.90, 4.70]", "1.40 [1.10, 1.70]")
    assert table.rows[1][3:8] == ("> 8", "", "", "> 8", "")


def test_rows_of_several_settings_name_them_even_without_remarks() -> None:
    apart = a_parity(entropy_gap=Interval(-3.8, -4.0, -3.6))
    assert [row["at_equal_entropy"] for row in parity_table([(a_parity(), ""), (apart, "")]).raw] == [None, False]
    table = parity_table([(a_parity(), "gpu=A100"), (a_parity(), "gpu=H100")])
    column = table.headings.index("setting")
    assert [row[column] for row in table.rows] == ["gpu=A100", "gpu=H100"]
    assert table.left[column]
    assert "setting" not in parity_table([(a_parity(), "")]).headings


def test_a_column_of_the_parity_table_stands_where_one_row_has_a_value() -> None:
    busy = (Disturbance(arm="baseline", verdict=Verdict.disturbed, why="CPU busy"),)
    told = a_parity(human=18.0, entropy_gap=Interval(0.1, 0.0, 0.2), disturbed=busy)
    some = {"of authors", "entropy gap", "machine"}
    table = parity_table([(a_parity(), ""), (told, "")])
    assert some <= set(table.headings)
    for heading in some:
        column = table.headings.index(heading)
        assert (table.rows[0][column], bool(table.rows[1][column])) == ("", True)
    assert not some & set(parity_table([(a_parity(), "")]).headings)


def test_parity_over_the_settings_of_a_knob_names_the_setting() -> None:
    settings = {2: "threshold=0.3", 4: "threshold=0.6", 8: "threshold=0.9"}
    table = parity_table([(a_parity(settings=settings), "")])
    assert any("(threshold=0.6)" in cell for cell in table.rows[0])
    (row,) = csv.DictReader(io.StringIO(as_csv(table)))
    assert row["settings"] == "threshold=0.3; threshold=0.6; threshold=0.9"
    assert "K=4 threshold=0.6" in answer(a_parity(settings=settings))


def test_the_parity_csv_has_every_bound_and_curve() -> None:
    (row,) = csv.DictReader(io.StringIO(as_csv(parity_table([(a_parity(), "")]))))
    assert (row["steps_to_parity"], row["steps_to_parity_high"], row["speedup_low"]) == ("4", "8", "1.2")
    assert (row["crossing_steps"], row["crossing_speedup_high"], row["resamples"]) == ("3.6", "1.7", "2000")
    assert (row["steps"], row["quality"]) == ("2 4 8", "30 19 15")


def test_a_crossing_beyond_what_was_measured_is_no_number_in_the_csv() -> None:
    (row,) = csv.DictReader(io.StringIO(as_csv(parity_table([(not_reached(), "")]))))
    assert (row["crossing_steps"], row["crossing_steps_low"], row["crossing_steps_high"]) == ("", "", "")


def test_grid_points_that_failed_keep_their_row_and_reason() -> None:
    table = grid_table(points([a_record(), a_failed_record(message="too much")]))
    assert [row[-1] for row in table.rows] == ["measured", "out of memory"]
    assert table.raw[1]["reason"] == "too much"
    assert "BERTScore F1" not in table.headings


def test_a_fallback_is_a_remark_on_its_row_and_a_column_of_the_csv() -> None:
    fallen = a_record(measurement=a_measurement(fallback="no compiler"))
    table = grid_table(points([fallen, a_record(an_autoregressive_run())]))
    assert sorted(row[-1] for row in table.rows) == ["", "Another engine ran than asked for: no compiler."]
    assert {row["fallback"] for row in table.raw} == {None, "no compiler"}
    assert "remarks" not in grid_table(points([a_record()])).headings


def test_replicates_are_one_row_of_the_page_and_one_each_of_the_csv() -> None:
    records = [
        replace(record, replicate=index)
        for index in range(3)
        for record in a_sweep(batches=(1,))
        if record.run.diffusion is None
    ]
    assert records[2].measurement is not None
    disturbed = Watched(verdict=Verdict.disturbed, why="CPU busy", labelled=())
    records[2] = replace(records[2], measurement=replace(records[2].measurement, watched=disturbed))
    failed = replace(a_failed_record(records[0].run, message="too much"), replicate=3)
    table = grid_table(points_of([[*records, failed]]))
    (row,) = table.rows
    assert row[table.headings.index("processes")] == "3"
    assert row[-1] == "measured, disturbed, 1 of 4 processes failed"
    assert "grid.csv has a row for each process" in table.title
    assert [(raw["replicate"], raw["machine"], raw["outcome"]) for raw in table.raw] == [
        (0, None, "measured"),
        (1, None, "measured"),
        (2, "disturbed", "measured"),
        (3, None, "out of memory"),
    ]
    assert "processes" not in table.raw[0]


def test_temperatures_that_differ_have_a_column() -> None:
    runs = [a_run(temperature=temperature) for temperature in (0.5, 1.0)]
    table = grid_table(points([a_record(run) for run in runs]))
    assert [row[table.headings.index("T")] for row in table.rows] == ["0.5", "1"]
    assert "T" not in grid_table(points([a_record()])).headings
