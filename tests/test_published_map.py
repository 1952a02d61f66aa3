"""What pages say of the published map and of the full grid is what their tables have."""

import csv
from collections import Counter
from collections.abc import Mapping

import pytest

from tests.paths import ROOT

RESULTS = ROOT / "docs" / "results"
LENGTH = "512"


def text_of(page: str) -> str:
    """A page without its line breaks."""
    return " ".join((ROOT / page).read_text(encoding="utf-8").split())


def table(name: str) -> list[dict[str, str]]:
    with (RESULTS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def cells() -> Mapping[tuple[str, int], dict[str, str]]:
    """Those of N=512, by way and batch."""
    rows = table("map/break-even.csv")
    return {(row["way"], int(row["batch"])): row for row in rows if row["length"] == LENGTH}


def digits(cell: Mapping[str, str], name: str = "tokens_per_forward_needed", count: int = 2) -> str:
    return f"{float(cell[name]):#.{count}g}".rstrip(".")


def test_the_readme_says_what_the_map_has(cells: Mapping[tuple[str, int], dict[str, str]]) -> None:
    readme = text_of("README.md")
    one, eight, many = (cells["whole canvas", batch] for batch in (1, 8, 32))
    assert (
        f"writes {digits(one, count=3)} tokens of every text at B=1, {digits(eight, count=3)} at B=8,"
        f" or {digits(many, count=3)} at B=32" in readme
    )
    ends = ", ".join(
        " to ".join(digits(cell, f"tokens_per_forward_needed_{end}", 3) for end in ("low", "high"))
        for cell in (one, eight, many)
    )
    assert {cell["processes"] for cell in (one, eight, many)} == {"3"}
    assert f"(95% intervals over three processes: {ends})" in readme
    one, eight, many = (cells["dual cache", batch] for batch in (1, 8, 32))
    assert f"{digits(one)} tokens are enough at B=1 and {digits(eight)} at B=8; at B=32 it is never faster" in readme
    assert many["reachable"] == "False"
    one, eight, many = (cells["block-causal", batch] for batch in (1, 8, 32))
    assert f"need {digits(one)} tokens at B=1, {digits(eight)} at B=8 and {digits(many)} at B=32" in readme


def test_the_claims_say_what_the_map_has(cells: Mapping[tuple[str, int], dict[str, str]]) -> None:
    claims = text_of("docs/claims.md")
    tokens_per_s = {
        batch: batch * int(cell["output_tokens"]) / float(cell["baseline_latency_s"])
        for (way, batch), cell in cells.items()
        if way == "whole canvas"
    }
    share = float(cells["whole canvas", 4]["baseline_share_of_limit"])
    assert f"writes {tokens_per_s[4]:.0f} tokens/s at B=4 N=512" in claims
    assert f"{share:.0%} of its limit" in claims
    assert f"autoregressive arm {tokens_per_s[32] / tokens_per_s[1]:.0f} times" in claims
    one, four = (digits(cells["dual cache", batch]) for batch in (1, 4))
    assert f"a dual cache needs {one} tokens per forward pass at B=1, and {four} at B=4" in claims


def test_the_full_grid_is_whole_and_its_page_counts_its_runs_as_its_table_does() -> None:
    rows, page = table("report-grid/full-grid.csv"), text_of("docs/results/report-grid.md")
    counted = Counter(row["source"] for row in rows)
    assert f"has {len(rows)} runs" in page
    assert (
        f"{counted['whole']} are whole generations, {counted['sampled']} are sampled, and {counted['composed']}" in page
    )
