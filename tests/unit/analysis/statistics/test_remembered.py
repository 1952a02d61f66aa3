"""What is remembered of an object is computed once, and forgotten with it."""

from dataclasses import dataclass

from analysis.statistics.remembered import remembered


@dataclass(frozen=True)
class Thing:
    value: int


def test_each_object_is_asked_once() -> None:
    asked: list[int] = []

    @remembered
    def double(thing: Thing) -> int:
        asked.append(thing.value)
        return 2 * thing.value

    first, equal, other = Thing(1), Thing(1), Thing(2)
    assert [double(each) for each in (first, first, equal, other, first)] == [2, 2, 2, 4, 2]
    assert asked == [1, 1, 2]


def test_a_new_object_in_the_place_of_an_old_one_is_asked_anew() -> None:
    """Python gives the identity of an object that is gone to another one."""

    @remembered
    def value_of(thing: Thing) -> int:
        return thing.value

    assert [value_of(Thing(value)) for value in range(100)] == list(range(100))
