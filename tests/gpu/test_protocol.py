"""What the protocol promises of a GPU: it is watched, identified, held against its ceilings, and profiled."""

from dataclasses import replace

import pytest
import torch

from benchmark.execution.model_cache import ModelCache
from benchmark.execution.pipeline import execute
from benchmark.hardware.environment import current_gpu
from benchmark.roofline.ceilings import measure_ceilings
from crossover.records.record import FailureKind, Record
from crossover.records.run import Run
from tests.gpu.runs import TINY, TINY_LLAMA

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.filterwarnings("ignore:Warning. Profiler clears events"),  # of each cycle, of which a profile has one
]


def run_it(run: Run) -> Record:
    return execute(run, sweep="test", models=ModelCache(), report=lambda *_: None)


@pytest.fixture(scope="module")
def profiled() -> Record:
    return run_it(replace(TINY, profile=True))


def test_the_card_tells_its_settings(profiled: Record) -> None:
    assert profiled.environment is not None
    card = profiled.environment.card
    assert card is not None
    assert card.form in {"SXM", "PCI"}
    assert card.power_limit_w is not None
    assert card.power_limit_w > 50
    assert card.sm_mhz_max is not None
    assert card.sm_mhz_max > 500


def test_every_sample_has_a_clock_and_a_temperature(profiled: Record) -> None:
    assert profiled.measurement is not None
    for sample in profiled.measurement.samples:
        assert sample.conditions is not None
        assert sample.conditions.sm_mhz_after is not None
        assert sample.conditions.temperature_c is not None
        assert sample.conditions.foreign_gpu_bytes is not None


def test_no_run_beats_the_limit(profiled: Record) -> None:
    assert profiled.measurement is not None
    limits = profiled.measurement.limits
    assert limits is not None
    assert 0 < limits.floor_share < 1


def test_a_profile_has_kernels_of_every_kind_and_energy(profiled: Record) -> None:
    assert profiled.measurement is not None
    profile = profiled.measurement.profile
    assert profile is not None
    seconds = {kind.kind: kind.seconds for kind in profile.kinds}
    assert all(seconds[kind] > 0 for kind in ("matrix", "attention", "other", "idle")), seconds
    assert 0.5 < sum(seconds.values()) / profile.latency_s < 1.1
    assert profile.memory[0].weights_bytes == profiled.measurement.memory.weights_bytes
    assert profile.energy is not None
    assert profile.energy.seconds > 5
    assert 10 < profile.energy.joules / profile.energy.seconds < 1500


def test_a_cache_grows_with_the_tokens() -> None:
    record = run_it(replace(TINY_LLAMA, profile=True))
    assert record.measurement is not None
    assert record.measurement.profile is not None
    caches = [point.cache_bytes for point in record.measurement.profile.memory]
    assert caches == sorted(caches)
    assert caches[-1] > 0


def test_the_ceilings_are_those_of_a_gpu() -> None:
    ceilings = measure_ceilings(torch.device("cuda"), torch.bfloat16)
    assert 2e11 < ceilings.copy_bytes_per_s < 2e13
    assert 1e13 < ceilings.matrix_flop_per_s < 1e16


def test_the_energy_counter_counts() -> None:
    gpu = current_gpu()
    assert gpu is not None
    assert gpu.energy_j() is not None


def test_another_gpu_than_the_demanded_one_is_a_clear_failure() -> None:
    record = run_it(replace(TINY, gpu="B9000 7GB"))
    assert record.failure is not None
    assert record.failure.kind is FailureKind.error
    assert "demands a GPU named 'B9000 7GB'" in record.failure.message
