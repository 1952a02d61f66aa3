"""The one exception that is written for the person at the terminal."""


class UserError(Exception):
    """Something the user can mend. Its text is one line: what was given, what is allowed, what to do."""


class InfeasibleError(Exception):
    """A grid point that no machine can run. Its text is the reason that its record keeps."""


class BrokenProtocolError(Exception):
    """A run that did not do the work it was timed for. Its text is the reason that its record keeps."""


class DisturbedError(Exception):
    """A run that was to be left alone and was not. Its text is the reason that its record keeps."""
