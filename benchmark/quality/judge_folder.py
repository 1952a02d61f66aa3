"""Find the judge's checkpoint."""

from pathlib import Path

from benchmark.models.checkpoint import resolve
from crossover.errors import UserError
from crossover.records.settings import Judge


def locate_judge(judge: Judge) -> Path:
    """The folder of the judge's checkpoint, downloaded when it is on the hub.

    Raises:
        UserError: saying which judges there are besides, when it is not there.
    """
    try:
        return resolve(judge.checkpoint, judge.revision)
    except UserError as error:
        reason = str(error).replace("model.checkpoint=FOLDER", "judge.checkpoint=FOLDER")
        raise UserError(
            f"the judge: {reason}; or use another judge.checkpoint=, judge=tiny, which knows Jane Austen alone,"
            " or judge=none"
        ) from error
