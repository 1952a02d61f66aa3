from analysis.parity.flags import Disturbance
from analysis.parity.parity import Speed, speed_of
from analysis.statistics.intervals import Interval
from crossover.records.machine import Verdict
from tests.studies import a_parity, not_reached


def test_a_speed_is_called_one_only_beyond_the_margin() -> None:
    assert speed_of(a_parity(speedup=Interval(1.2, 1.05, 1.4))) is Speed.open
    assert speed_of(a_parity(speedup=Interval(1.2, 1.05, 1.4), verdict_margin=0.01)) is Speed.faster
    assert speed_of(a_parity(speedup=Interval(1.0, 0.95, 1.05))) is Speed.alike
    assert speed_of(a_parity(speedup=Interval(1.0, 0.9, 1.09))) is Speed.open
    assert speed_of(not_reached()) is Speed.unknown
    slow = Interval(0.7, 0.6, 0.95)
    assert speed_of(a_parity(speedup=slow, verdict_margin=0.01)) is Speed.slower
    assert speed_of(a_parity(speedup=slow, verdict_margin=0.1)) is Speed.open


def test_single_processes_on_a_disturbed_machine_show_no_speed() -> None:
    busy = (Disturbance(arm="baseline", verdict=Verdict.disturbed, why="CPU busy"),)
    for speedup in (Interval(9.0, 8.0, 10.0), Interval(0.1, 0.09, 0.11), Interval(1.0, 0.99, 1.01)):
        assert speed_of(a_parity(speedup=speedup, disturbed=busy)) is Speed.open
    assert speed_of(a_parity(speedup=Interval(9.0, 8.0, 10.0), disturbed=busy, processes=4)) is Speed.faster
    unknown = (Disturbance(arm="baseline", verdict=Verdict.unknown, why="not watched"),)
    assert speed_of(a_parity(speedup=Interval(9.0, 8.0, 10.0), disturbed=unknown)) is Speed.faster
