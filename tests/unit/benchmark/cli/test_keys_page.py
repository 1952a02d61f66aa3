"""The page of keys is what the schema gives, and what the schema says of a key holds."""

import re
from dataclasses import MISSING

import pytest

from benchmark.cli.help import usage
from benchmark.cli.keys_page import page
from benchmark.config.convert import to_run, to_settings
from benchmark.config.keys import Key, keys
from crossover.errors import UserError
from tests.composition import config
from tests.paths import ROOT


def test_the_page_is_what_the_schema_gives() -> None:
    written = (ROOT / "docs" / "keys.md").read_text(encoding="utf-8")
    assert written == page(), "python -m benchmark.cli.keys_page > docs/keys.md writes it again"


def test_every_key_has_a_default_or_a_file_that_gives_it_and_a_meaning() -> None:
    for key in keys():
        assert key.default is not MISSING
        assert key.meaning
        assert "\n" not in key.meaning


def test_the_help_has_a_line_for_every_key() -> None:
    lines = [line.split() for line in usage().splitlines()]
    for key in keys():
        assert any(line and line[0].startswith(f"{key.name}=") for line in lines), key.name


def test_no_file_that_is_a_part_of_others_is_offered() -> None:
    assert not re.search(r"\b_\w", usage() + page())


BOUNDS = [(key.name, key.field.metadata.get("allowed", "")) for key in keys()]
LEAST = [(name, int(limit[1])) for name, allowed in BOUNDS if (limit := re.search(r"at least (\d+)$", allowed))]
BETWEEN = [name for name, allowed in BOUNDS if allowed == "between 0 and 1"]
BLOCKS = ["model.block_length=8"]
NEEDED = {
    "encoder.layer": ["encoder=minilm"],
    "likelihood": ["likelihood=on"],
    "policy.factor": ["policy=factor"],
    "policy.gamma": ["policy=entropy_bounded"],
    "policy.max_post_steps": ["policy=editing", *BLOCKS],
    "policy.transfers": ["policy=editing", *BLOCKS],
    "policy.alg_temp": ["policy=maskgit_plus"],
    "policy.top_k": ["policy=maskgit_plus"],
    "cache": ["cache=dual"],
    "retries": ["strict=retry"],
    "sub_block_length": [*BLOCKS, "cache=exact"],
}


def refusal(*overrides: str) -> str:
    """What is said when a configuration is refused; nothing when it is not."""
    try:
        made = config(*overrides)
        to_run(made, lambda: 0)
        to_settings(made)
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(("name", "least"), LEAST)
def test_a_number_below_the_least_that_the_page_allows_is_refused_and_the_least_is_not(name: str, least: int) -> None:
    needed = NEEDED.get(name, NEEDED.get(name.partition(".")[0], []))
    assert refusal(*needed, f"{name}={least - 1}").startswith(f"{name}={least - 1}")
    assert not refusal(*needed, f"{name}={least}")


@pytest.mark.parametrize("name", BETWEEN)
def test_a_share_is_between_0_and_1(name: str) -> None:
    for value in ("0", "1", "-1", "nan"):
        assert "between 0 and 1" in refusal(f"{name}={value}")
    assert not refusal(f"{name}=0.25")


@pytest.mark.parametrize("key", [key for key in keys() if key.listed], ids=lambda key: key.name)
def test_a_value_off_the_list_is_refused_with_the_list(key: Key) -> None:
    name, listed = key.name, key.listed
    assert refusal(f"{name}=nope") == f"{name}=nope is not allowed: give one of {', '.join(listed)}"
    assert config(f"{name}={listed[0]}")


def test_there_are_bounds_to_try() -> None:
    assert len(LEAST) > 10
    assert len(BETWEEN) == 2


def test_a_seed_fits_every_generator_of_random_numbers() -> None:
    assert not refusal("seed=2147483647")
    assert refusal("seed=2147483648") == "seed=2147483648 is not allowed: give a whole number of at most 2147483647"
    assert "seed=-1" in refusal("seed=-1")
