"""Slots: places of this machine where one process at a time measures, such as a GPU to which the process is pinned."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from benchmark.hardware.cpu import core_shares
from benchmark.hardware.nvml import Gpu, gpu_uuids
from crossover.errors import UserError

VISIBLE = "CUDA_VISIBLE_DEVICES"
EVERY = ("all",)
"""What hardware.gpus may say for all GPUs, as leaving it out does."""
WHOLE, SLICE = "GPU-", "MIG-"
"""How UUIDs of GPUs, and of slices of them, begin."""
IN_VAIN = f"hardware.gpus is for hardware=local_gpus: give that with -m, or set {VISIBLE}"
"""What to say where nothing chooses among GPUs."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A slot by its name, and what its process gets: variables, and cores that no other slot's has; none for any."""

    name: str
    variables: dict[str, str] = field(default_factory=dict)
    cores: frozenset[int] = frozenset()


def local_slots(wanted: Sequence[str] | None, *, on_gpu: bool) -> tuple[Slot, ...]:
    """The slots of this machine.

    Raises:
        UserError: when there is none, or not the one that is wanted.
    """
    return gpu_slots(wanted) if on_gpu else cpu_slots(wanted)


def planned_slots(wanted: Sequence[str] | None, *, on_gpu: bool) -> tuple[Slot, ...]:
    """The same for a dry run, which may take place where there is no GPU: then as many as are named, or one.

    Raises:
        UserError: when there are GPUs, but not the one that is wanted.
    """
    if not on_gpu or visible(os.environ):
        return local_slots(wanted, on_gpu=on_gpu)
    names = ("0",) if wanted in {None, EVERY} else wanted or ()
    _refuse_empty(names)
    _refuse_twice(names, f"hardware.gpus={','.join(names)}")
    return tuple(Slot(name=f"GPU {name}") for name in names)


def gpu_slots(wanted: Sequence[str] | None, environment: Mapping[str, str] = os.environ) -> tuple[Slot, ...]:
    """The GPUs that this program may use, or those of them in `wanted`: numbers from 0, or UUIDs or their beginnings.

    Numbers count as in PyTorch where CUDA_VISIBLE_DEVICES is set, else as in nvidia-smi.

    Raises:
        UserError: when there is none, or not the one that is wanted.
    """
    offered = visible(environment)
    if not offered:
        raise UserError(
            f"hardware=local_gpus finds no GPU: NVML does not answer, or {VISIBLE} is empty; use hardware=cpu, or"
            " hardware=gpu for a GPU that NVML does not know"
        )
    _refuse_twice(offered, VISIBLE)
    chosen = _chosen(wanted, offered, environment.get(VISIBLE))
    shares = core_shares([_near_cores(name) for name in chosen])
    return tuple(
        Slot(name=f"GPU {offered.index(name)}", variables={VISIBLE: name}, cores=cores)
        for name, cores in zip(chosen, shares, strict=True)
    )


def cpu_slots(wanted: Sequence[str] | None) -> tuple[Slot, ...]:
    """Slots on the CPU, by names that the user gives: to try a sweep out, since they disturb each other.

    Raises:
        UserError: when no names are given.
    """
    if not wanted:
        raise UserError(
            "hardware=local_gpus with hardware.device=cpu needs names of processes, as in hardware.gpus=one,two;"
            " they disturb each other's timings, so use it to try things out"
        )
    _refuse_empty(wanted)
    _refuse_twice(wanted, f"hardware.gpus={','.join(wanted)}")
    return tuple(Slot(name=f"CPU {name}", variables={VISIBLE: ""}) for name in wanted)


def visible(environment: Mapping[str, str]) -> list[str]:
    """What CUDA_VISIBLE_DEVICES may hold for each GPU that this program may use.

    CUDA reads the variable up to the first name that is no GPU's.
    """
    given = environment.get(VISIBLE)
    here = gpu_uuids()
    if given is None:
        return list(here)
    names = (name.strip() for name in given.split(","))
    return list(takewhile(lambda name: _is_gpu(name, here), names))


def _is_gpu(name: str, here: Sequence[str]) -> bool:
    """Whether CUDA takes a name for a GPU's; where NVML knows none, any number or UUID may be one."""
    if name.isdecimal():
        return not here or int(name) < len(here)
    is_whole = name.startswith(WHOLE) and (not here or any(uuid.startswith(name) for uuid in here))
    return is_whole or name.startswith(SLICE)


def _near_cores(name: str) -> frozenset[int]:
    """The cores near a GPU; none where it has a number, since CUDA may count otherwise than NVML."""
    gpu = None if name.isdecimal() else Gpu.find(name)
    return frozenset() if gpu is None else gpu.near_cores()


def _chosen(wanted: Sequence[str] | None, offered: Sequence[str], given: str | None) -> list[str]:
    if wanted in {None, EVERY}:
        return list(offered)
    assert wanted is not None
    _refuse_empty(wanted)
    chosen = [_named(name, offered, given) for name in wanted]
    _refuse_twice(chosen, f"hardware.gpus={','.join(wanted)}")
    return chosen


def _named(name: str, offered: Sequence[str], given: str | None) -> str:
    if name.isdecimal() and int(name) < len(offered):
        return offered[int(name)]
    alike = [each for each in offered if name.startswith((WHOLE, SLICE)) and each.startswith(name)]
    if len(alike) == 1:
        return alike[0]
    if name.startswith(SLICE):
        raise UserError(
            f"hardware.gpus={name} is a slice of a GPU: set {VISIBLE} to the slices to use, and leave hardware.gpus out"
        )
    several = f"{len(offered)} GPUs, so give numbers from 0 to {len(offered) - 1}, or UUIDs that nvidia-smi -L shows"
    allowed = several if len(offered) > 1 else "one GPU, so give 0, or its UUID as nvidia-smi -L shows it"
    hidden = "" if given is None else f" ({VISIBLE}={given} hides all others)"
    raise UserError(f"hardware.gpus={name} is not here: this program may use {allowed}{hidden}")


def _refuse_empty(names: Sequence[str]) -> None:
    if not all(names):
        raise UserError(
            f"hardware.gpus={','.join(names)} has an empty name: give names with commas between, no spaces, as in 0,1"
        )


def _refuse_twice(names: Sequence[str], whose: str) -> None:
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise UserError(f"{whose} names {twice[0]} twice: name it once, since one process at a time measures there")
