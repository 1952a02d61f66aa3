from types import SimpleNamespace
from typing import Any

import pytest

from benchmark.hardware.clock import HostClock
from benchmark.measurement.kernel_times import Subject
from benchmark.measurement.profiling import energy
from tests.factories import a_run


class Decoding:
    """Takes no time of its own, and counts."""

    def __init__(self) -> None:
        self.times = 0

    def decode(self, *_: object) -> None:
        self.times += 1


@pytest.fixture
def subject() -> Any:
    run = a_run()
    return Subject(decoder=Decoding(), model=SimpleNamespace(), batch=None, run=run, clock=HostClock())  # type: ignore[arg-type]


def test_energy_is_that_of_all_generations_over_their_tokens(subject: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([0.0, 0.0, 2.0, 4.0, 6.0, 6.0])
    monkeypatch.setattr("benchmark.measurement.profiling.time.monotonic", lambda: next(seconds))
    joules = iter([1000.0, 1240.0])
    spent = energy(subject, lambda: next(joules))
    assert spent is not None
    assert (spent.joules, spent.seconds, spent.generations) == (240.0, 6.0, 3)
    assert subject.decoder.times == 3
    assert spent.joules_per_token == 240.0 / (3 * 2 * 8)


def test_without_a_counter_there_is_no_energy_and_nothing_is_run(subject: Any) -> None:
    assert energy(subject, lambda: None) is None
    assert subject.decoder.times == 0
