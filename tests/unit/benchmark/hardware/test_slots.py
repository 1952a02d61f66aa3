"""Which GPUs a sweep uses, and how a process is pinned to one."""

import pytest

from benchmark.hardware import slots
from benchmark.hardware.slots import VISIBLE, cpu_slots, gpu_slots, planned_slots
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
        (("0", "GPU-aa"), {}, "hardware.gpus=0,GPU-aa names GPU-aa twice: name it once"),
        (("0", "0"), {}, "hardware.gpus=0,0 names GPU-aa twice"),
        (("1",), {VISIBLE: "2"}, r"as nvidia-smi -L shows it \(CUDA_VISIBLE_DEVICES=2 hides all others\)"),
        (("-1",), {}, "hardware.gpus=-1 is not here: .* give numbers from 0 to 2"),
        (("cuda:0",), {}, "hardware.gpus=cuda:0 is not here"),
        (("all", "0"), {}, "hardware.gpus=all is not here"),
        (("0", ""), {}, "hardware.gpus=0, has an empty name: give names with commas between, no spaces, as in 0,1"),
        (("",), {}, "hardware.gpus= has an empty name"),
        (("GPU-",), {}, "hardware.gpus=GPU- is not here"),
        (("MIG-1",), {}, "hardware.gpus=MIG-1 is a slice of a GPU: set CUDA_VISIBLE_DEVICES to the slices to use"),
        (None, {VISIBLE: "0,1,0"}, "CUDA_VISIBLE_DEVICES names 0 twice"),
        (None, {VISIBLE: ""}, "finds no GPU"),
        (None, {VISIBLE: "-1"}, "finds no GPU"),
        (None, {VISIBLE: "NoDevFiles"}, "finds no GPU"),
    ],
)
def test_what_is_not_here_is_refused(
    wanted: tuple[str, ...] | None, environment: dict[str, str], complaint: str
) -> None:
    with pytest.raises(UserError, match=complaint):
        gpu_slots(wanted, environment)


def test_all_and_the_beginning_of_a_uuid_name_gpus() -> None:
    assert pinned(("all",), {VISIBLE: "2,1"}) == [("GPU 0", "2"), ("GPU 1", "1")]
    assert pinned(("GPU-b",), {}) == [("GPU 1", "GPU-bb")]
    assert pinned(None, {VISIBLE: "MIG-1,MIG-2"}) == [("GPU 0", "MIG-1"), ("GPU 1", "MIG-2")]
    assert pinned(("MIG-2",), {VISIBLE: "MIG-1,MIG-2"}) == [("GPU 1", "MIG-2")]


def test_cuda_reads_its_variable_up_to_the_first_name_that_is_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pinned(None, {VISIBLE: "1,7,0"}) == [("GPU 0", "1")]
    assert pinned(None, {VISIBLE: "0,-1,1"}) == [("GPU 0", "0")]
    monkeypatch.setattr(slots, "gpu_uuids", lambda: ())
    assert pinned(None, {VISIBLE: "1,7"}) == [("GPU 0", "1"), ("GPU 1", "7")], "without NVML any number may be one"


def test_a_dry_run_needs_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VISIBLE, raising=False)
    with pytest.raises(UserError, match=r"hardware\.gpus=3 is not here"):
        planned_slots(("3",), on_gpu=True)
    monkeypatch.setattr(slots, "gpu_uuids", lambda: ())
    assert [slot.name for slot in planned_slots(("0", "3"), on_gpu=True)] == ["GPU 0", "GPU 3"]
    assert [slot.name for slot in planned_slots(None, on_gpu=True)] == ["GPU 0"]
    with pytest.raises(UserError, match="names 1 twice"):
        planned_slots(("1", "1"), on_gpu=True)


def test_slots_on_the_cpu_have_names_and_see_no_gpu() -> None:
    assert [(slot.name, slot.variables[VISIBLE]) for slot in cpu_slots(("a", "b"))] == [("CPU a", ""), ("CPU b", "")]
    with pytest.raises(UserError, match="needs names of processes"):
        cpu_slots(None)
    with pytest.raises(UserError, match="names a twice"):
        cpu_slots(("a", "a"))
