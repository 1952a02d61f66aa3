"""A cluster that takes so many jobs of a user and no more."""

from dataclasses import dataclass, field

import pytest

from benchmark.dispatch.submission import AGAIN_S, Submission
from benchmark.slurm.submit import TooManyJobsError
from crossover.errors import UserError


@dataclass
class Cluster:
    """`room` for jobs; every array that it was asked for, and those that it took, by their sizes."""

    room: int
    now: float = 100.0
    asked: list[int] = field(default_factory=list)
    taken: list[list[list[int]]] = field(default_factory=list)

    def submit(self, tasks: list[list[int]]) -> None:
        self.asked.append(len(tasks))
        if len(tasks) > self.room:
            raise TooManyJobsError("AssocMaxSubmitJobLimit")
        self.room -= len(tasks)
        self.taken.append(tasks)

    @property
    def points(self) -> list[int]:
        return [index for array in self.taken for task in array for index in task]


def submission(cluster: Cluster, tasks: int = 12, largest: int = 1000) -> Submission:
    return Submission([[index] for index in range(tasks)], largest, cluster.submit, lambda: cluster.now)


def test_all_are_one_array_where_they_fit() -> None:
    cluster = Cluster(room=12)
    made = submission(cluster)
    made.begin()
    assert (cluster.asked, made.left) == ([12], 0)


def test_arrays_are_no_larger_than_the_cluster_allows() -> None:
    cluster = Cluster(room=12)
    submission(cluster, largest=5).begin()
    assert cluster.asked == [5, 5, 2]


def test_a_refused_array_is_halved_until_as_many_as_fit_are_submitted() -> None:
    cluster = Cluster(room=5)
    made = submission(cluster)
    made.begin()
    assert cluster.points == [0, 1, 2, 3, 4]
    assert made.left == 7
    assert made.refusal == "AssocMaxSubmitJobLimit"
    assert len(cluster.asked) < 12


def test_the_rest_is_submitted_as_jobs_end_in_order_and_each_once() -> None:
    cluster = Cluster(room=5)
    made = submission(cluster)
    made.begin()
    asked = len(cluster.asked)
    made.go_on(over=0)
    assert len(cluster.asked) == asked, "nothing ended: SLURM is not asked"
    for over in (2, 2, 4, 9, 12):
        cluster.room = over - len(cluster.points) + 5
        made.go_on(over)
    assert cluster.points == list(range(12))
    assert made.left == 0


def test_it_is_tried_again_after_a_while_although_no_job_of_ours_ended() -> None:
    cluster = Cluster(room=5)
    made = submission(cluster)
    made.begin()
    cluster.room, cluster.now = 3, cluster.now + AGAIN_S - 1
    made.go_on(over=0)
    assert made.left == 7
    cluster.now += 1
    made.go_on(over=0)
    assert made.left == 4


def test_another_refusal_is_not_halved() -> None:
    def submit(_: list[list[int]]) -> None:
        raise UserError("no such partition")

    with pytest.raises(UserError, match="no such partition"):
        Submission([[0], [1]], 5, submit).begin()


def test_as_many_jobs_are_asked_for_as_have_ended_since_the_last_time_and_no_more_than_an_array_may_have() -> None:
    cluster = Cluster(room=4)
    made = submission(cluster, tasks=40, largest=6)
    made.begin()
    asked_first = []
    for over in (3, 5, 25):
        cluster.room, cluster.asked = 0, []
        made.go_on(over)
        asked_first.append(cluster.asked[0])
    assert asked_first == [3, 2, 6]


def test_what_is_dropped_is_not_submitted() -> None:
    cluster = Cluster(room=5)
    made = submission(cluster)
    made.begin()
    assert (made.drop(), made.left) == (7, 0)
    cluster.room = 7
    made.go_on(over=5)
    assert len(cluster.points) == 5
