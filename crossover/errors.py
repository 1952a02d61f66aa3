"""The errors that more than one part of the program knows, and how the errors of others are quoted."""


class UserError(Exception):
    """Something the user can mend. Its text is one line: what was given, what is allowed, what to do."""


class InfeasibleError(Exception):
    """A grid point that no machine can run. Its text is the reason that its record keeps."""


class BrokenProtocolError(Exception):
    """A run that did not do the work it was timed for. Its text is the reason that its record keeps."""


class DisturbedError(Exception):
    """A run that was to be left alone and was not. Its text is the reason that its record keeps."""


def first_line(error: BaseException) -> str:
    """The first line of what an error says, to stand inside a sentence of ours; its type where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".:") if lines else type(error).__name__
