import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.dispatch.ledger import grid_point
from benchmark.execution.fingerprint import fingerprint
from benchmark.store.journal import Journal
from benchmark.store.record_index import RecordIndex
from benchmark.sweep.identified import identified
from benchmark.sweep.plan import plan
from crossover.records.run import Run
from crossover.records.settings import Prompts
from tests.factories import a_failed_record, a_record, a_run, without_contents


@pytest.fixture
def run(llada: Path, tmp_path: Path) -> Run:
    model = Path(shutil.copytree(llada, tmp_path / "model"))
    return a_run(
        model=replace(a_run().model, checkpoint=str(model)),
        prompts=Prompts(source="builtin:prompts/austen.jsonl", count=1),
        judge=None,
    )


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(output_dir=tmp_path)
    journal.prepare()
    return journal


def identified_run(run: Run, journal: Journal, *, take_older: bool = True) -> Run:
    (point,) = identified(plan([grid_point(run, ())]), RecordIndex(journal), take_older=take_older).points
    assert point.key == point.run.key
    return point.run


def test_a_point_gets_the_contents_of_what_it_reads(run: Run, journal: Journal) -> None:
    identified = identified_run(run, journal)
    assert without_contents(identified) == run
    assert identified.model.content
    assert identified.prompts.content


def test_a_point_that_no_machine_can_run_reads_nothing(run: Run, journal: Journal) -> None:
    impossible = replace(run, length=4096, model=replace(run.model, checkpoint="./nowhere"))
    assert identified_run(impossible, journal) == impossible


def test_a_point_that_an_older_version_measured_keeps_its_key_unless_all_is_run_again(
    run: Run, journal: Journal
) -> None:
    journal.write(replace(a_record(run), fingerprint=fingerprint(run.model, None)))
    assert identified_run(run, journal) == run
    assert identified_run(run, journal, take_older=False) != run


def test_an_older_record_of_weights_that_were_replaced_is_no_record_of_this_point(run: Run, journal: Journal) -> None:
    journal.write(replace(a_record(run), fingerprint=fingerprint(run.model, None)))
    with (Path(run.model.checkpoint) / "model.safetensors").open("ab") as weights:
        weights.write(b" ")
    assert identified_run(run, journal) != run


def test_an_older_record_of_prompts_of_one_s_own_or_without_a_measurement_says_too_little(
    run: Run, journal: Journal, tmp_path: Path
) -> None:
    prompts = tmp_path / "mine.jsonl"
    prompts.write_text('{"text": "a text"}')
    own = replace(run, prompts=Prompts(source=str(prompts), count=1))
    journal.write(replace(a_record(own), fingerprint=fingerprint(run.model, None)))
    journal.write(a_failed_record(run))
    assert identified_run(own, journal) != own
    assert identified_run(run, journal) != run
