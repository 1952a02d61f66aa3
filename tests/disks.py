"""A disk that really runs full: a small one, or a limit that the kernel sets to a process's files."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE = "6m"
SMALL = 64 * 1024


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of six megabytes, mounted at `folder`.

    Raises:
        PermissionError: where this user may not mount.
    """
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        raise PermissionError(f"{folder}: this user may not mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Write until there is no space left; the file to remove to have it back."""
    waste = folder / "waste"
    with waste.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            return waste


def forbid_growth(pid: int) -> None:
    """Let this process write to small files alone from now on; it needs no mount, and no root."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (SMALL, SMALL))


@contextmanager
def read_only(folder: Path, mount_point: Path) -> Iterator[Path]:
    """The folder as it is seen at `mount_point` by one who may not write to it.

    Raises:
        PermissionError: where this user may not mount.
    """
    mount_point.mkdir()
    mounts = (["mount", "--bind", str(folder), str(mount_point)], ["mount", "-o", "remount,bind,ro", str(mount_point)])
    if os.geteuid() or any(subprocess.run(each, capture_output=True, check=False).returncode for each in mounts):
        raise PermissionError(f"{mount_point}: this user may not mount a folder")
    try:
        yield mount_point
    finally:
        subprocess.run(["umount", "--lazy", str(mount_point)], check=True)
