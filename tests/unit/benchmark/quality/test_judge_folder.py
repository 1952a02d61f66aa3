import pytest

from benchmark.quality.judge_folder import locate_judge
from crossover.errors import UserError
from crossover.records.settings import Judge, Precision


def test_a_judge_that_is_not_there_is_named_with_the_other_choices() -> None:
    judge = Judge(checkpoint="./nowhere", revision=None, precision=Precision.float32)
    with pytest.raises(UserError, match=r"^the judge: checkpoint './nowhere'.*or use another judge"):
        locate_judge(judge)


def test_what_it_advises_is_a_key_of_the_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> None:
        raise UserError("the hub does not answer: give its folder with model.checkpoint=FOLDER")

    monkeypatch.setattr("benchmark.quality.judge_folder.resolve", unreachable)
    with pytest.raises(
        UserError, match=r"^the judge: the hub does not answer: .* with judge\.checkpoint=FOLDER; or use"
    ):
        locate_judge(Judge(checkpoint="a/b", revision=None, precision=Precision.float32))
