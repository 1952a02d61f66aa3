"""How the errors of libraries are quoted."""

import pytest

from crossover.errors import first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("\n  no such key:\n  'a'"), "no such key"),
        (ValueError("gone."), "gone"),
        (ValueError(" "), "ValueError"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_the_first_line_fits_into_a_sentence(error: Exception, line: str) -> None:
    assert first_line(error) == line
