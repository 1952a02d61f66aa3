"""Where a command writes, looked at before it reads anything: an analysis may take long."""

import os
from pathlib import Path

from crossover.errors import UserError


def require_folder(folder: Path, option: str = "--output") -> None:
    """Return if files can be put into the folder, or into one of its name that is still to be made.

    Raises:
        UserError: naming the folder and the option that sets it.
    """
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        raise UserError(f"{option} {folder} cannot be made, since {nearest} is no folder: give another, {option} NAME")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UserError(f"{option} {folder} cannot be written to: give another, {option} NAME")
