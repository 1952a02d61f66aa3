"""Folders and pages that tests read."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
KNOWN_ANSWERS = ROOT / "tests" / "known_answers"
DATA = ROOT / "tests" / "data"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmark").rglob("*.md")])
"""The documentation."""
