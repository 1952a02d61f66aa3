"""Write files that others may read meanwhile: whole or not at all, with the usual permissions."""

import os
import uuid
from contextlib import suppress
from pathlib import Path


def replace_file(path: Path, text: str) -> None:
    """Put a file on disk in one step; it replaces the one that was there."""
    partial = _beside(path, text)
    try:
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def make_file(path: Path, text: str) -> None:
    """Put a file on disk in one step, unless there is one. Of several processes that try at once, one succeeds.

    Raises:
        FileExistsError: when there is one.
    """
    partial = _beside(path, text)
    try:
        os.link(partial, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: there, the file is empty for a moment
        path.touch(exist_ok=False)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _beside(path: Path, text: str) -> Path:
    """The finished file, under a temporary name in the same folder.

    Raises:
        OSError: naming the file as it was to be called; a full disk gives no name by itself.
    """
    partial = path.with_name(f".{uuid.uuid4().hex}.partial")
    try:
        with partial.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        _remove(partial)
        raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:
        _remove(partial)
        raise
    return partial


def _remove(file: Path) -> None:
    with suppress(OSError):  # where it could not be made, it cannot be removed either
        file.unlink()
