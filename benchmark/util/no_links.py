"""Open files that another user may have put there: never through a link, and never anything but a plain file.

In a folder that several people share, a link would make whoever follows it read or write in their own folders for the
one who made it. A pipe would make them wait for ever.
"""

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import IO

LINK = "it is a link, and links are not followed here"
NO_FILE = "it is no plain file"


def open_to_read(path: Path) -> IO[bytes]:
    """A plain file, open to be read.

    Raises:
        OSError: when it cannot be opened; also where it, or the folder that it lies in, is a link.
    """
    return os.fdopen(_opened(path, os.O_RDONLY), "rb")


def open_to_append(path: Path) -> IO[bytes]:
    """A plain file, open to be written at its end; it is made unless it is there.

    Raises:
        OSError: as for `open_to_read`.
    """
    return os.fdopen(_opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab")


def read_bytes(path: Path) -> bytes:
    """The content of a plain file.

    Raises:
        OSError: as for `open_to_read`.
    """
    with open_to_read(path) as file:
        return file.read()


def touch(path: Path) -> None:
    """Make an empty plain file, unless there is one.

    Raises:
        OSError: as for `open_to_read`.
    """
    open_to_append(path).close()


def made_by_others(paths: Iterable[Path]) -> list[Path]:
    """Those paths that are links which another user made, and not the owner of the folder that they lie in."""
    return [path for path in paths if path.is_symlink() and path.lstat().st_uid not in _trusted(path.parent)]


def _trusted(folder: Path) -> set[int]:
    return {os.geteuid(), folder.stat().st_uid}


def _opened(path: Path, flags: int) -> int:
    folder = _folder(path.parent)
    try:
        descriptor = os.open(path.name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666, dir_fd=folder)
    except OSError as error:
        words = {errno.ELOOP: LINK, errno.ENXIO: NO_FILE}.get(error.errno or 0, error.strerror)
        raise OSError(error.errno, words, str(path)) from None
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, NO_FILE, str(path))
    return descriptor


def _folder(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        words = LINK if path.is_symlink() else error.strerror
        raise OSError(error.errno, words, str(path)) from None
