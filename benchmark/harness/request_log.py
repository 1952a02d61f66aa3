"""What each request of an evaluation cost: a JSON line each, behind that of the run that describes the model."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from benchmark.harness.scoring import PairRequest, Scored
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
        self._begin()
        self._append({"task": request.task_name, "doc_id": request.doc_id, **asdict(work)})

    def note_score(self, pair: PairRequest, score: Scored) -> None:
        """Add the line of a likelihood; the harness does not say here of which document it is."""
        self._begin()
        cost = {"forwards": score.forwards, "rows": score.rows, "latency_s": score.latency_s}
        tokens = {"prompt_tokens": len(pair.context), "scored_tokens": len(pair.continuation)}
        self._append({"likelihood": pair.index, **tokens, **cost})

    def _begin(self) -> None:
        """The run's line, before any other."""
        if not self.file.exists():
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._append({"model": self._run.model.label, "run": asdict(self._run)})

    def _append(self, entry: dict[str, Any]) -> None:
        with self.file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
