"""What GPUs of the generation Hopper have that kernels here use.

Programmatic dependent launch: the next kernel starts while the last one drains, and waits before it reads.

What a kernel loads before `gdc_wait` must be nothing that another kernel writes: weights. Every program of a kernel
waits, and writes after that alone: so the end of one kernel means the end of all before it, and memory that they
have read may be used again. NVIDIA has it since compute capability 9.0, Triton since 3.4.
"""

from functools import cache

import torch

try:
    from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait
except ImportError:  # an older Triton: nothing calls them then
    gdc_launch_dependents = gdc_wait = None

__all__ = ["dependent_launch", "gdc_launch_dependents", "gdc_wait", "is_hopper"]


@cache
def is_hopper() -> bool:
    """Whether the current device is of the generation that tiles were tuned on (H100, H200)."""
    return torch.cuda.get_device_capability()[0] == 9  # noqa: PLR2004


@cache
def dependent_launch() -> dict[str, bool]:
    """What a launch needs for it: the kernel's own switch, and Triton's where there is one."""
    possible = gdc_wait is not None and torch.cuda.get_device_capability() >= (9, 0)
    return {"dependent": True, "launch_pdl": True} if possible else {"dependent": False}
