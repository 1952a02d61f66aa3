from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.execution.fingerprint import fingerprint, revision, weights_sha256
from benchmark.hardware.environment import GpuFacts, package_version, probe, require_gpu, require_watched
from benchmark.hardware.nvml import Reading
from crossover.errors import UserError
from tests.checkpoints import write_llama
from tests.factories import a_run

MODEL = a_run().model


def test_passwords_do_not_get_into_records() -> None:
    printed = fingerprint(
        MODEL, '{"tracking": {"uri": "http://me:p@ss@host"}, "seed": 1, "list": ["http://h?token=x"]}'
    )
    assert printed.config == '{"list": ["http://h?token=***"], "seed": 1, "tracking": {"uri": "http://***@host"}}'


def test_other_weights_have_another_hash_whether_or_not_they_are_sharded(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"one")
    first = weights_sha256(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert first != weights_sha256(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    sharded = weights_sha256(tmp_path)
    assert sharded not in {first, None}
    (tmp_path / "model.safetensors").write_bytes(b"three")
    assert weights_sha256(tmp_path) == sharded


def test_a_large_file_is_told_by_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.execution.fingerprint.SMALL_BYTES", 8)
    file = tmp_path / "model.safetensors"
    file.write_bytes((4).to_bytes(8, "little") + b"{..}" + b"values")
    first = weights_sha256(tmp_path)
    file.write_bytes((4).to_bytes(8, "little") + b"{..}" + b"others")
    assert weights_sha256(tmp_path) == first
    file.write_bytes((4).to_bytes(8, "little") + b"{--}" + b"values")
    assert weights_sha256(tmp_path) != first


def test_a_folder_without_weights_has_no_hash(tmp_path: Path) -> None:
    assert weights_sha256(tmp_path) is None


def test_a_snapshots_folder_is_its_revision(tmp_path: Path) -> None:
    assert revision(tmp_path / ("0123456789" * 4)) == "0123456789" * 4
    assert revision(tmp_path) is None


def test_a_checkpoint_that_is_not_here_has_no_hash_and_costs_no_download(tmp_path: Path) -> None:
    for checkpoint in (str(tmp_path / "nowhere"), "nobody/nothing"):
        printed = fingerprint(replace(MODEL, checkpoint=checkpoint, revision="main"), None)
        assert (printed.weights_sha256, printed.revision, printed.config) == (None, "main", None)


def test_a_local_checkpoint_has_a_hash(tmp_path: Path) -> None:
    assert fingerprint(replace(MODEL, checkpoint=str(write_llama(tmp_path))), "{}").weights_sha256 is not None


def test_a_package_that_is_not_installed_has_no_version() -> None:
    assert package_version("torch") is not None
    assert package_version("no-such-package-at-all") is None


def test_the_environment_of_a_cpu_has_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    environment = probe(engine="eager", attention="sdpa", on_gpu=False)
    assert environment.card is None
    assert "OMP_NUM_THREADS=1" in environment.variables
    assert environment.dirty is None or environment.dirty == str(environment.commit).endswith("-dirty")


@pytest.mark.parametrize("name", ["NVIDIA A100-SXM4-80GB", "NVIDIA A100 80GB PCIe"])
def test_both_forms_of_the_demanded_gpu_will_do(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.hardware import environment

    monkeypatch.setattr(environment, "gpu_facts", lambda: environment.GpuFacts(name=name))
    require_gpu("A100 80GB")


@pytest.mark.parametrize("name", ["NVIDIA A100-SXM4-40GB", "NVIDIA H100 80GB HBM3", None])
def test_another_gpu_is_refused_with_its_name(name: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmark.hardware import environment

    monkeypatch.setattr(environment, "gpu_facts", lambda: environment.GpuFacts(name=name))
    with pytest.raises(UserError, match="demands a GPU named 'A100 80GB'") as refused:
        require_gpu("A100 80GB")
    assert (name or "without a name") in str(refused.value)


def test_a_slice_of_a_gpu_is_not_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "benchmark.hardware.environment.gpu_facts", lambda: GpuFacts(name="NVIDIA A100-SXM4-80GB MIG 3g.40gb")
    )
    with pytest.raises(UserError, match=r"demands a whole GPU named 'A100 80GB'.*slice of one"):
        require_gpu("A100 80GB")
    require_gpu("A100 MIG 3g")


class Told:
    """A GPU of which NVML tells this clock alone."""

    def __init__(self, sm_mhz: int | None) -> None:
        self._sm_mhz = sm_mhz

    def reading(self) -> Reading:
        return Reading(
            sm_mhz=self._sm_mhz, memory_mhz=None, throttle=(), temperature_c=None, power_w=None, performance_state=None
        )


@pytest.mark.parametrize(
    ("gpu", "missing"),
    [(None, "NVML does not answer, or does not know it"), (Told(None), "NVML does not tell its clock")],
)
def test_a_gpu_that_cannot_be_watched_is_refused_with_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, gpu: Told | None, missing: str
) -> None:
    monkeypatch.setattr("benchmark.hardware.environment.current_gpu", lambda: gpu)
    monkeypatch.setattr("benchmark.hardware.environment.gpu_facts", lambda: GpuFacts(name="A GPU"))
    with pytest.raises(UserError, match=f"A GPU cannot be watched: {missing}; .* or leave out strict=true"):
        require_watched()


def test_a_gpu_that_tells_its_clock_can_be_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.hardware.environment.current_gpu", lambda: Told(1980))
    require_watched()
