"""What a terminal shows of texts that the program did not write itself."""

import io

from rich.console import Console

from crossover.printable import printable
from crossover.terminal import say


def test_a_line_is_printed_as_it_is() -> None:
    """Brackets stay, and a line longer than the window is left whole."""
    written = io.StringIO()
    say(Console(file=written, width=10, force_terminal=True), "[b]a/b[/b] is 12 of 100 points", "next")
    assert written.getvalue() == "[b]a/b[/b] is 12 of 100 points\nnext\n"


def test_a_name_does_not_command_the_terminal() -> None:
    """Escape sequences, carriage returns and changes of direction are spelled out; letters of any script stay."""
    assert printable("\x1b]8;;http://x\x07name\x1b[2J") == r"\x1b]8;;http://x\x07name\x1b[2J"
    assert printable("safe\rerror \x9b1m \u202egnp.exe") == r"safe\rerror \x9b1m \u202egnp.exe"
    assert printable("a\udc80b") == r"a\udc80b"
    assert printable("Größe 大きさ 🙂\tone\ntwo") == "Größe 大きさ 🙂\tone\ntwo"
