"""Folders that tests read from."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
KNOWN_ANSWERS = ROOT / "tests" / "known_answers"
DATA = ROOT / "tests" / "data"
