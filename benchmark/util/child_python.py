"""How a process of ours is started, so that it runs the project's modules and not files in the working folder.

`python -m` looks for modules in the working folder first. There a user's analysis.py, random.py or torch.py would be
taken for ours, the standard library's, or PyTorch.
"""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The folder that our packages are in: a checkout, or the folder of installed packages."""
INSTALLED = {"site-packages", "dist-packages"}
"""Names of folders that Python searches by itself."""


def python_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours by the Python that runs this process."""
    return [sys.executable, "-P", "-u", "-m", module, *arguments]


def safe_variables(environment: Mapping[str, str] = os.environ, root: Path = ROOT) -> dict[str, str]:
    """The variables under which a process, and those that it starts, find our packages without the working folder."""
    given = environment.get("PYTHONPATH", "").split(os.pathsep)
    kept = [folder for folder in given if folder not in {"", "."}]  # both are the working folder
    if root.name not in INSTALLED and str(root) not in kept:
        kept.insert(0, str(root))
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(kept)}


def shell_command(module: str, *arguments: str, root: Path = ROOT) -> str:
    """The same command and variables for a shell, whose own PYTHONPATH stays: setup lines may have set it."""
    named = "" if root.name in INSTALLED else f' PYTHONPATH={shlex.quote(str(root))}"${{PYTHONPATH:+:$PYTHONPATH}}"'
    return f"env PYTHONSAFEPATH=1{named} {shlex.join(python_command(module, *arguments))}"
