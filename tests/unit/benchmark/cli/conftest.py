"""An output folder whose texts are scored again, and a judge for it."""

from pathlib import Path

import pytest

from benchmark.store.journal import Journal
from crossover.records.settings import Judge, Precision
from tests.checkpoints import write_llama
from tests.factories import a_failed_record, a_measurement, a_record, a_run, a_score


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A measured run, another that failed, and a file that is no record."""
    journal = Journal(output_dir=tmp_path / "outputs")
    journal.prepare()
    scores = tuple(a_score(prompt_id=name, bertscore_f1=0.5, ended=False) for name in "ab")
    journal.write(a_record(measurement=a_measurement(scores=scores)))
    journal.write(a_failed_record(a_run(batch=1)))
    (journal.folder / "broken.json").write_text("{")
    return journal


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    return Judge(checkpoint=str(write_llama(tmp_path / "judge")), revision=None, precision=Precision.float32)
