"""Slots: places of this machine where one process at a time measures, such as a GPU to which the process is pinned."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmark.hardware.cpu import core_shares
from benchmark.hardware.nvml import Gpu, gpu_uuids
from crossover.errors import UserError

VISIBLE = "CUDA_VISIBLE_DEVICES"
IN_VAIN = f"hardware.gpus is for hardware=local_gpus: give that with -m, or set {VISIBLE}"
"""What to say where nothing chooses among GPUs."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A slot by its name, and what its process gets: variables, and cores that no other slot's has; none for any."""

    name: str
    variables: dict[str, str] = field(default_factory=dict)
    cores: frozenset[int] = frozenset()


def gpu_slots(wanted: Sequence[str] | None, environment: Mapping[str, str] = os.environ) -> tuple[Slot, ...]:
    """The GPUs that this program may use, or those of them in `wanted`: numbers from 0, or UUIDs.

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
    chosen = _chosen(wanted, offered)
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
    _refuse_twice(wanted)
    return tuple(Slot(name=f"CPU {name}", variables={VISIBLE: ""}) for name in wanted)


def visible(environment: Mapping[str, str]) -> list[str]:
    """What CUDA_VISIBLE_DEVICES may hold for each GPU that this program may use."""
    given = environment.get(VISIBLE)
    if given is None:
        return list(gpu_uuids())
    return [name.strip() for name in given.split(",") if name.strip()]


def _near_cores(name: str) -> frozenset[int]:
    """The cores near a GPU; none where it has a number, since CUDA may count otherwise than NVML."""
    gpu = None if name.isdecimal() else Gpu.find(name)
    return frozenset() if gpu is None else gpu.near_cores()


def _chosen(wanted: Sequence[str] | None, offered: Sequence[str]) -> list[str]:
    if wanted is None:
        return list(offered)
    chosen = [_named(name, offered) for name in wanted]
    _refuse_twice(chosen)
    return chosen


def _named(name: str, offered: Sequence[str]) -> str:
    if name in offered and not name.isdecimal():
        return name
    if name.isdecimal() and int(name) < len(offered):
        return offered[int(name)]
    several = f"{len(offered)} GPUs, so give numbers from 0 to {len(offered) - 1}, or UUIDs that nvidia-smi -L shows"
    allowed = several if len(offered) > 1 else "one GPU, so give 0, or its UUID as nvidia-smi -L shows it"
    raise UserError(f"hardware.gpus={name} is not here: this program may use {allowed}")


def _refuse_twice(names: Sequence[str]) -> None:
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise UserError(f"hardware.gpus names {twice[0]} twice: one process at a time measures on a GPU; name it once")
