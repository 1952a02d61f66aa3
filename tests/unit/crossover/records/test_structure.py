"""Plain data becomes the dataclass that its constructor would make, or an error that names what is wrong."""

from dataclasses import dataclass, field, replace

import pytest

from crossover.records.structure import build, build_all


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


def test_objects_of_a_list_are_what_each_is_alone() -> None:
    alike = [{"number": 1, "words": ["a", "b"], "notes": {"x": 1}}, {"number": 2.5, "words": [], "notes": {}}]
    for items in (alike, [*alike, {"number": 3}], [*alike, {"words": ["c"], "number": 3}], []):
        assert build_all(Inner, items) == [build(Inner, item) for item in items]
    assert [type(each.number) for each in build_all(Inner, alike)] == [float, float]


def test_of_several_mistakes_in_a_list_the_first_objects_is_named() -> None:
    items = [{"number": 1, "words": ["a"]}, {"number": 2, "words": [3]}, {"number": "x", "words": []}]
    with pytest.raises(ValueError, match=r"Inner.words: expected str, found int"):
        build_all(Inner, items)
    with pytest.raises(ValueError, match="below 0"):
        build(Outer, {"inner": {"number": 1.0}, "several": [{"value": 1}, {"value": -1}, {"value": "x"}]})


def test_what_is_missing_in_each_object_of_a_list_is_made_anew_for_each() -> None:
    first, second = build_all(Inner, [{"number": 1.0}, {"number": 2.0}])
    assert first.notes == second.notes == {}
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
        ({"inner": {"number": 1.0, "notes": {"x": "y"}}}, r"Inner.notes.x: expected float, found str"),
        ({"inner": {"number": 1.0, "notes": []}}, "Inner.notes: expected an object, found list"),
        ({"inner": {"number": 1.0}, "several": [{"value": 1}, {"valeu": 1}]}, r"Checked: missing or unknown fields"),
        ({"inner": {"number": 1.0}, "several": [{"value": 1}, 5]}, "Checked: expected an object, found int"),
        ({"inner": {"number": True}}, "Inner.number: expected float, found bool"),
    ],
)
def test_what_does_not_fit_is_named(data: object, words: str) -> None:
    for _ in range(2):  # what is remembered of the first look does not hide a mistake
        with pytest.raises(ValueError, match=words):
            build(Outer, data)
