import pytest

from benchmark.quality.judge_folder import locate_judge
from crossover.errors import UserError
from crossover.records.settings import Judge, Precision


def test_a_judge_that_is_not_there_is_named_with_the_other_choices() -> None:
    judge = Judge(checkpoint="./nowhere", revision=None, precision=Precision.float32)
    with pytest.raises(UserError, match=r"^the judge: checkpoint './nowhere'.*or use another judge"):
        locate_judge(judge)
