"""The errors that more than one part of the program knows, and how errors of libraries are quoted."""


class UserError(Exception):
    """An error that the user can mend. Its text is one line: what was given, what is allowed, what to do."""


class InfeasibleError(Exception):
    """A grid point that no machine can run. Its text is the reason that its record keeps."""


class BrokenProtocolError(Exception):
    """A run that did not do the work it was timed for. Its text is the reason that its record keeps."""


class DisturbedError(Exception):
    """A run that the machine disturbed although it was strict. Its text is the reason that its record keeps."""


class LostDeviceError(Exception):
    """A GPU that does not compute any more for this process. Its text is one line."""


def first_line(error: BaseException) -> str:
    """The first line of an error's text, to quote in a sentence; the error's type where it has no text."""
    lines = str(error).strip().splitlines()
    return lines[0].strip().rstrip(".:") if lines else type(error).__name__
