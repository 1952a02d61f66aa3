"""Which points the overrides of a command line span."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from hydra_plugins.crossover.grid_sweeper import spanned_by


def spanned(*overrides: str) -> list[list[str]]:
    return spanned_by(OverridesParser.create().parse_overrides(list(overrides)))


@pytest.mark.parametrize(
    ("overrides", "points"),
    [
        (["a=1,2", "b=x"], [["a=1", "b=x"], ["a=2", "b=x"]]),
        (["a=1,2", "b=3,4"], [["a=1", "b=3"], ["a=1", "b=4"], ["a=2", "b=3"], ["a=2", "b=4"]]),
        (["a=1,2", "b=3", "a=5"], [["a=5", "b=3"]]),
        (["a=range(1,4)"], [["a=1"], ["a=2"], ["a=3"]]),
        (["a=choice(1,2)"], [["a=1"], ["a=2"]]),
        (["+a=1,2"], [["+a=1"], ["+a=2"]]),
        (["~a"], [["~a=null"]]),
        (["a=[1,2]", "b='x y'", "c=null"], [["a=[1,2]", "b='x y'", "c=null"]]),
        (["a={x:1},{x:2}"], [["a={x:1}"], ["a={x:2}"]]),
        ([], [[]]),
    ],
)
def test_a_grid_is_the_product_of_its_values_of_which_the_last_varies_fastest(
    overrides: list[str], points: list[list[str]]
) -> None:
    assert spanned(*overrides) == points


def test_an_interval_is_no_list_of_values() -> None:
    with pytest.raises(HydraException, match=r"a=interval\(0,1\) is no list of values"):
        spanned("a=interval(0,1)")


def test_a_range_without_a_value_spans_no_grid() -> None:
    with pytest.raises(HydraException, match=r"a=range\(4,4\) gives no value at all: a grid needs KEY=A,B"):
        spanned("a=range(4,4)", "b=1,2")
