"""Which GPUs a sweep uses, and how a process is pinned to one."""

import pytest

from benchmark.hardware import slots
from benchmark.hardware.slots import VISIBLE, cpu_slots, gpu_slots
from crossover.errors import UserError

UUIDS = ("GPU-aa", "GPU-bb", "GPU-cc")


@pytest.fixture(autouse=True)
def three_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "gpu_uuids", lambda: UUIDS)


def pinned(wanted: tuple[str, ...] | None, environment: dict[str, str]) -> list[tuple[str, str]]:
    return [(slot.name, slot.variables[VISIBLE]) for slot in gpu_slots(wanted, environment)]


def test_all_gpus_of_the_machine_by_their_uuids() -> None:
    assert pinned(None, {}) == [("GPU 0", "GPU-aa"), ("GPU 1", "GPU-bb"), ("GPU 2", "GPU-cc")]


def test_those_that_are_named_in_their_order() -> None:
    assert pinned(("2", "GPU-aa"), {}) == [("GPU 2", "GPU-cc"), ("GPU 0", "GPU-aa")]


def test_only_those_that_the_program_may_use_counted_as_in_pytorch() -> None:
    """What CUDA_VISIBLE_DEVICES says is said to the process again, whatever order CUDA counts GPUs in."""
    assert pinned(None, {VISIBLE: "2, GPU-aa"}) == [("GPU 0", "2"), ("GPU 1", "GPU-aa")]
    assert pinned(("0",), {VISIBLE: "2,1"}) == [("GPU 0", "2")]


@pytest.mark.parametrize(
    ("wanted", "environment", "complaint"),
    [
        (("3",), {}, r"hardware.gpus=3 is not here: this program may use 3 GPUs, so give numbers from 0 to 2, or"),
        (("GPU-dd",), {}, "hardware.gpus=GPU-dd is not here"),
        (("1",), {VISIBLE: "2"}, "hardware.gpus=1 is not here: this program may use one GPU, so give 0, or its UUID"),
        (("2",), {VISIBLE: "2,1"}, "hardware.gpus=2 is not here: this program may use 2 GPUs"),
        (("0", "GPU-aa"), {}, "names GPU-aa twice"),
        (None, {VISIBLE: ""}, "finds no GPU"),
    ],
)
def test_what_is_not_here_is_refused(
    wanted: tuple[str, ...] | None, environment: dict[str, str], complaint: str
) -> None:
    with pytest.raises(UserError, match=complaint):
        gpu_slots(wanted, environment)


def test_slots_on_the_cpu_have_names_and_see_no_gpu() -> None:
    assert [(slot.name, slot.variables[VISIBLE]) for slot in cpu_slots(("a", "b"))] == [("CPU a", ""), ("CPU b", "")]
    with pytest.raises(UserError, match="needs names of processes"):
        cpu_slots(None)
    with pytest.raises(UserError, match="names a twice"):
        cpu_slots(("a", "a"))
