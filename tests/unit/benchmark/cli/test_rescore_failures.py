import io
from pathlib import Path

import pytest
from rich.console import Console

from benchmark.cli.rescore import rescore_folder
from benchmark.quality.perplexity import PerplexityJudge
from benchmark.store.journal import Journal
from crossover.errors import UserError
from crossover.records.load import load
from crossover.records.record import Record
from crossover.records.settings import Encoder, Judge
from tests.checkpoints import write_encoder
from tests.factories import a_measurement, a_record, a_run
from tests.rescoring import a_request, rescored


def an_encoder(folder: Path) -> Encoder:
    return Encoder(checkpoint=str(write_encoder(folder / "encoder")), revision=None, layer=2)


def one_record(journal: Journal) -> Record:
    """The record that was made by scoring again."""
    (made,) = [record for record in load(journal.folder.glob("*.json")).records if record.rescored_from is not None]
    return made


@pytest.mark.parametrize("lost", ["config.json", "model.safetensors"])
def test_of_two_scorers_one_that_is_not_whole_is_named_and_the_others_figures_are_written(
    journal: Journal, judge: Judge, tmp_path: Path, lost: str
) -> None:
    encoder = an_encoder(tmp_path)
    (Path(encoder.checkpoint) / lost).unlink()
    with pytest.raises(SystemExit) as ended:
        rescored(journal, a_request(judge=judge, encoder=encoder))
    assert ended.value.code == 1
    made = one_record(journal)
    assert made.measurement is not None
    assert (made.run.encoder, made.run.judge and made.run.judge.checkpoint) == (None, judge.checkpoint)
    assert [score.nll_nats for score in made.measurement.scores] != [16.0, 16.0]
    assert [score.bertscore_f1 for score in made.measurement.scores] == [0.5, 0.5]
    assert made.rescored_from == f"{a_run().key}-20260301T120000.000000"
    with pytest.raises(SystemExit):
        rescored(journal, a_request(judge=judge, encoder=encoder))  # again, with nothing left to write
    assert one_record(journal) == made


def test_a_judge_that_fails_on_a_text_leaves_the_encoders_figures(
    journal: Journal, judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("no such token")

    monkeypatch.setattr(PerplexityJudge, "score", fails)
    output = Console(file=io.StringIO(), width=200)
    with pytest.raises(SystemExit):
        rescore_folder(journal.output_dir, a_request(judge=judge, encoder=an_encoder(tmp_path)), output)
    made = one_record(journal)
    assert made.measurement is not None
    assert [score.nll_nats for score in made.measurement.scores] == [16.0, 16.0]
    assert all(0 < (score.bertscore_f1 or 0) != 0.5 for score in made.measurement.scores)
    assert isinstance(output.file, io.StringIO)
    assert "the judge failed: RuntimeError: no such token; the judge's figures stay" in output.file.getvalue()


def test_two_scorers_that_fail_end_in_one_line(journal: Journal, judge: Judge, tmp_path: Path) -> None:
    for checkpoint in (judge.checkpoint, (encoder := an_encoder(tmp_path)).checkpoint):
        (Path(checkpoint) / "config.json").unlink()
    with pytest.raises(UserError, match=r"the judge failed: .*; the encoder failed: "):
        rescored(journal, a_request(judge=judge, encoder=encoder))


def test_two_scorers_make_one_record_of_each_run(journal: Journal, judge: Judge, tmp_path: Path) -> None:
    _, (made,) = rescored(journal, a_request(judge=judge, encoder=an_encoder(tmp_path)))
    assert (made.run.judge and made.run.judge.checkpoint) == judge.checkpoint
    assert made.run.encoder is not None
    assert made.rescored_from == f"{a_run().key}-20260301T120000.000000"


def test_figures_that_came_at_last_take_back_the_words_about_their_failure(journal: Journal, judge: Judge) -> None:
    failure = "the judge failed: it was; not there; the encoder failed: nor this"
    run = a_run(batch=4)
    journal.write(a_record(run, measurement=a_measurement(quality_failure=failure)))
    made = [record for record in rescored(journal, a_request(judge=judge))[1] if record.run.batch == run.batch]
    assert [each.measurement and each.measurement.quality_failure for each in made] == ["the encoder failed: nor this"]
