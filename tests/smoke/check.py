"""Check what a small sweep of the tiny pair left behind: `python check.py OUTPUT_DIR`."""

import sys
from pathlib import Path

from mlflow import MlflowClient

from crossover.records.load import load
from crossover.records.record import FailureKind

MEASURED = {
    *(("tiny_llama", None, batch) for batch in (1, 2)),
    *(("tiny_llada", steps, batch) for steps in (2, 4) for batch in (1, 2)),
}
INFEASIBLE = {("tiny_llada", 100, batch) for batch in (1, 2)}


def main(folder: Path) -> None:
    """Every grid point has one record and one MLflow run; the infeasible ones say so."""
    loaded = load((folder / "records").glob("*.json"))
    assert not loaded.rejected, loaded.rejected
    points = {
        (r.run.model.name, r.run.diffusion.steps if r.run.diffusion else None, r.run.batch): r for r in loaded.records
    }
    assert len(loaded.records) == len(points)
    assert {point for point, record in points.items() if record.measurement} == MEASURED
    for point in INFEASIBLE:
        failure = points[point].failure
        assert failure is not None
        assert failure.kind is FailureKind.infeasible
    client = MlflowClient(f"sqlite:///{(folder / 'mlflow.db').absolute()}")
    experiment = client.get_experiment_by_name("crossover")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert {run.data.tags["key"] for run in runs} == {record.key for record in loaded.records}
    assert len(runs) == len(loaded.records)
    for run in runs:
        measured = run.info.status == "FINISHED"
        assert ("latency/e2e_s" in run.data.metrics) == measured
        assert ("quality/perplexity" in run.data.metrics) == measured
        assert ("max_memory_reserved" in run.data.metrics) == measured
    print(f"{len(loaded.records)} records, {len(runs)} MLflow runs")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
