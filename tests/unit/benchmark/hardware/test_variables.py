from benchmark.hardware.variables import NAMES, variables
from crossover.addresses import SECRET


def test_variables_that_change_speed_are_kept_and_others_are_not() -> None:
    kept = variables(
        {
            "OMP_NUM_THREADS": "2",
            "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
            "HOME": "/home/me",
            "HF_TOKEN": "secret",
            "CUDA_HOME": "/usr/local/cuda",
            "CUDA_VISIBLE_DEVICES": "3",
            "TORCHINDUCTOR_CACHE_DIR": "/tmp/x",
        }
    )
    assert kept == ("OMP_NUM_THREADS=2", "PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True")


def test_keys_and_tokens_are_not_kept_whatever_library_they_are_for() -> None:
    prefixes = ("NVIDIA_", "TORCH_HUB_", "TRITON_", "PYTORCH_", "NCCL_", "CUDA_", "MKL_", "OMP_")
    secrets = {f"{prefix}{ending}": "s3cret" for prefix in prefixes for ending in ("API_KEY", "TOKEN", "PASSWORD")}
    assert variables(secrets) == ()
    assert not [name for name in NAMES if SECRET.search(name) or "KEY" in name or name.endswith(("_PATH", "_HOME"))]
