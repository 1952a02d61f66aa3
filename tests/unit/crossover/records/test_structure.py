"""Plain data becomes the dataclass that its constructor would make, or an error that names what is wrong."""

from dataclasses import dataclass, field, replace

import pytest

from crossover.records.structure import build


@dataclass(frozen=True, kw_only=True)
class Inner:
    number: float
    words: tuple[str, ...] = ()
    notes: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Checked:
    value: int

    def __post_init__(self) -> None:
        if self.value < 0:
            raise ValueError("below 0")


@dataclass(frozen=True, kw_only=True)
class Outer:
    inner: Inner
    several: tuple[Checked, ...] = ()
    name: str | None = None


def test_what_is_built_equals_what_the_constructor_makes() -> None:
    built = build(Outer, {"several": [{"value": 1}], "inner": {"words": ["a"], "number": 2}})
    assert built == Outer(inner=Inner(number=2.0, words=("a",)), several=(Checked(value=1),))
    assert type(built.inner.number) is float
    assert repr(replace(built, name="x")) == repr(replace(Outer(inner=built.inner, several=built.several), name="x"))


def test_a_default_that_a_factory_makes_is_made_anew_each_time() -> None:
    first, second = (build(Inner, {"number": 1.0}) for _ in range(2))
    assert first.notes == {}
    assert first.notes is not second.notes


def test_the_data_stay_as_they_are() -> None:
    data = {"inner": {"number": 1, "words": []}}
    build(Outer, data)
    assert data == {"inner": {"number": 1, "words": []}}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({}, r"Outer: missing or unknown fields \['inner'\]"),
        ({"inner": {"number": 1.0}, "nme": None}, r"Outer: missing or unknown fields \['nme'\]"),
        ({"inner": {"number": "1"}}, "Inner.number: expected float, found str"),
        ({"inner": {"number": 1.0, "words": [1]}}, "Inner.words: expected str, found int"),
        ({"inner": None}, "Inner: expected an object, found NoneType"),
        ({"inner": {"number": 1.0}, "several": [{"value": -1}]}, "below 0"),
        ({"inner": {"number": True}}, "Inner.number: expected float, found bool"),
    ],
)
def test_what_does_not_fit_is_named(data: object, words: str) -> None:
    for _ in range(2):  # what is remembered of the first look does not hide a mistake
        with pytest.raises(ValueError, match=words):
            build(Outer, data)
