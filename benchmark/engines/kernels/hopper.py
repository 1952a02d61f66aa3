"""The feature of Hopper GPUs that the kernels here use: programmatic dependent launch.

With it the next kernel starts while the last one drains, and waits before it reads.

Before `gdc_wait` a kernel may load only data that no other kernel writes: weights. Every program of a kernel waits, and
writes only after the wait. So when a kernel has ended, all kernels before it have ended too, and the memory that they
read may be used again. NVIDIA has this launch since compute capability 9.0, Triton since 3.4.
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
    """The arguments of such a launch: the kernel's own switch, and Triton's where there is one."""
    possible = gdc_wait is not None and torch.cuda.is_available() and torch.cuda.get_device_capability() >= (9, 0)
    return {"dependent": True, "launch_pdl": True} if possible else {"dependent": False}
