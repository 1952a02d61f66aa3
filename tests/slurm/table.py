"""The table of faults, as the tests found it: docs/results/faults.md."""

import platform
from dataclasses import dataclass, field
from pathlib import Path

from tests.provenance import provenance
from tests.slurm.sweeps import POINTS, Proof, Study, prove

HEAD = """# What a sweep survives

**Question.** What is lost when a job, a node, a disk, a server or the command itself fails in the middle of a sweep?

**Answer.** Where the last three columns are 0, nothing: the same command, given again, completes the sweep.

Written by the tests themselves: `nox -s slurm -- --faults docs/results/faults.md`. A sweep of the tiny pair over
{points} grid points on a real SLURM with virtual nodes; each fault comes when eight points are done, two run and two
wait. Then the same command is given again, and the store is synchronised. *Lost* are points without a measurement or an
MLflow run, *doubled* those with more than one of either, *touched* are records from before the fault that are not the
same byte for byte. {machine}.

A step of a node's clock is not among them: the nodes here share one clock.
`tests/unit/benchmark/dispatch/test_processes.py` has it.

| fault | what the user saw | lost | doubled | touched |
|---|---|--:|--:|--:|
"""

INTERRUPTS = "Ctrl-C or SIGKILL at 16 moments of the first command in a new folder"
ELSEWHERE = {
    INTERRUPTS: f"| {INTERRUPTS} | `python -m tests.benchmarks.interrupts`: 16 of 16 folders are usable | 0 | 0 | 0 |"
}
"""Rows of faults that another program of ours tries."""


@dataclass
class Table:
    """Rows in the order in which they were found."""

    rows: list[tuple[str, str, Proof]] = field(default_factory=list)

    def add(self, fault: str, saw: str, proof: Proof) -> None:
        """One fault."""
        self.rows.append((fault, saw, proof))

    def write(self, index: Path) -> None:
        """Put it where the documentation has it. Rows of faults that were not tried this time stay as they are."""
        machine = f"SLURM on {platform.system()}, {provenance()}"
        lines = (
            _rows(index)
            | ELSEWHERE
            | {
                fault: f"| {fault} | {_cell(saw)} | {proof.lost} | {proof.doubled} | {proof.touched} |"
                for fault, saw, proof in self.rows
            }
        )
        text = HEAD.format(points=POINTS, machine=machine) + "\n".join(lines.values()) + "\n"
        index.write_text(text, encoding="utf-8")


def conclude(study: Study, table: Table, fault: str, saw: str) -> None:
    """Everything is there once; a row says so."""
    proof = prove(study)
    table.add(fault, saw.replace(f"{study.folder}/", ""), proof)
    assert proof.holds, f"{proof}\n" + "\n".join(sorted(f"{r.name} {r.failure}" for r in study.records()))


def _rows(index: Path) -> dict[str, str]:
    """The rows of a table that was written before, by their faults."""
    if not index.is_file():
        return {}
    lines = [line for line in index.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines[1:]}


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
