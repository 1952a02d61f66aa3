import io
import math

import pytest
from rich.console import Console

from analysis.report.terminal_table import table
from crossover.records.policies import Cache, CacheName, Policy, PolicyName
from crossover.records.record import FailureKind
from crossover.records.settings import Encoder
from crossover.terminal import make_console
from tests.factories import (
    a_diffusion,
    a_failed_record,
    a_measurement,
    a_record,
    a_run,
    a_sample,
    a_score,
    an_autoregressive_run,
)
from tests.terminal import lines


def test_a_row_shows_the_point_and_its_metrics() -> None:
    heading, _, row = lines(a_record())
    assert " ".join(heading) == ("model steps batch length latency s [p25, p75] samples tok/s MiB perplexity entropy")
    assert row == ["small", "4", "2", "16", "3.00", "[2.50,", "3.50]", "2", "5", "3", "7.4", "1.50"]


def test_an_autoregressive_row_has_no_steps() -> None:
    assert lines(a_record(an_autoregressive_run()))[2][:3] == ["causal", "2", "16"]


def test_without_a_judge_perplexity_stays_blank() -> None:
    unjudged = a_measurement(scores=(a_score(nll_nats=None, judge_tokens=None),))
    assert lines(a_record(measurement=unjudged))[2][-3:] == ["5", "3", "1.50"]


def test_a_point_that_failed_shows_its_kind_where_the_numbers_would_be() -> None:
    rows = lines(a_record(), a_failed_record(kind=FailureKind.out_of_memory))
    assert rows[3] == ["small", "4", "2", "16", "out", "of", "memory"]


@pytest.mark.parametrize(
    ("latency_s", "shown"), [(0.012345, "0.0123"), (1.0, "1.00"), (123.4, "123"), (1234.5, "1,234")]
)
def test_latencies_have_three_significant_digits(latency_s: float, shown: str) -> None:
    record = a_record(measurement=a_measurement(samples=(a_sample(latency_s=latency_s),)))
    assert lines(record)[2][4] == shown


def test_settings_have_a_column_where_they_differ() -> None:
    heading, *_ = lines(a_record(a_run(temperature=1.0)), a_record(a_run(temperature=0.5, seed=3)))
    assert heading[:6] == ["model", "steps", "batch", "length", "T", "seed"]


def test_who_scored_is_told_where_it_differs() -> None:
    here, there = (Encoder(checkpoint=f"hub/{name}", revision=None, layer=6) for name in ("one", "two"))
    heading, _, first, second = lines(a_record(a_run(encoder=here)), a_record(a_run(encoder=there)))
    assert heading[4] == "encoder"
    assert (first[4:6], second[4:6]) == (["one", "6"], ["two", "6"])
    assert "judge" not in heading


def test_a_terminal_of_80_columns_shows_every_number_whole() -> None:
    console = Console(file=io.StringIO(), width=80)
    with console.capture() as captured:
        console.print(table([a_record()], width=80))
    assert "\u2026" not in captured.get()
    assert "p25" not in captured.get()


def test_bertscore_has_a_column_where_there_is_any_and_the_rest_still_fits() -> None:
    scored = a_record(measurement=a_measurement(scores=(a_score(bertscore_f1=0.8125),)))
    heading, _, first, second = lines(scored, a_record(an_autoregressive_run(temperature=0.5)))
    assert heading[-2:] == ["entropy", "BERTScore"]
    assert first[-1] == "0.812"
    assert second[-1] == "1.50"
    assert "BERTScore" not in lines(a_record())[0]


def test_lines_that_go_to_a_pipe_are_wide(capsys: pytest.CaptureFixture[str]) -> None:
    make_console().print(table([a_record()]))
    make_console(stderr=True).print("elsewhere")
    captured = capsys.readouterr()
    assert "perplexity   entropy" in captured.out
    assert captured.err == "elsewhere\n"


def test_a_lossy_cache_and_a_policy_without_steps_are_told_even_where_all_points_have_them() -> None:
    settings = a_diffusion(
        policy=Policy(name=PolicyName.threshold, threshold=0.9), cache=Cache(name=CacheName.dual, refresh=4)
    )
    heading, _, row = lines(a_record(a_run(diffusion=settings)))
    assert heading[:5] == ["model", "steps", "batch", "length", "policy"]
    assert " ".join(row).startswith("small 2 16 threshold=0.9 dual refresh=4 (lossy) 3.00")


def test_bits_per_byte_have_a_column_where_there_are_any() -> None:
    judged = a_record(
        measurement=a_measurement(scores=(a_score(nll_nats=math.log(2) * 8, judge_tokens=4, text_bytes=4),))
    )
    headings = [str(column.header) for column in table([judged, a_record()], width=200).columns]
    assert "bits/byte" in headings
    assert "bits/byte" not in [str(column.header) for column in table([a_record()], width=200).columns]
