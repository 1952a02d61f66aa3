"""What each request of an evaluation cost: a JSON line each, behind that of the run that describes the model."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from benchmark.harness.writing import Work
from crossover.records.run import Run


class Named(Protocol):
    """What the harness says of a request."""

    task_name: str | None
    doc_id: int | None


class RequestLog:
    """Writes `requests-TIME.jsonl`: the run first, then a line for each request, when its batch is done."""

    def __init__(self, *, folder: Path, run: Run) -> None:
        self.file = folder / f"requests-{datetime.now(UTC):%Y-%m-%d_%H-%M-%S-%f}.jsonl"
        self._run = run

    def note(self, request: Named, work: Work) -> None:
        """Add a request's line."""
        if not self.file.exists():
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._append({"model": self._run.model.label, "run": asdict(self._run)})
        self._append({"task": request.task_name, "doc_id": request.doc_id, **asdict(work)})

    def _append(self, entry: dict[str, Any]) -> None:
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
