"""The page of all keys, docs/keys.md: `python -m benchmark.cli.keys_page > docs/keys.md` writes it again."""

import sys
from collections.abc import Iterable, Sequence
from operator import attrgetter

from benchmark.cli.help import as_typed
from benchmark.config.convert import config_of
from benchmark.config.folder import options, usual_choices
from benchmark.config.keys import Key, groups, keys
from benchmark.config.schema import Config
from crossover.outlet import ending_when_unwritable

INTRODUCTION = """\
# Keys

All that can be set on the command line. A default is the value of the command without arguments; a choice from a
group, such as `sweep=demo` or `hardware=a100`, may give another. `--cfg job` shows a command's values.

The installed command `crossover` is `python -m benchmark` under a shorter name. A shell completes its options, keys,
choices and files after the line for it, which may stand in the shell's own file of settings:

```sh
eval "$(crossover -sc install=bash)"   # in ~/.bashrc
eval "$(crossover -sc install=zsh)"    # in ~/.zshrc, below compinit where you have that
crossover -sc install=fish | source    # in ~/.config/fish/config.fish
```

`-sc uninstall=SHELL` takes it away again. zsh and fish also show what each word means.

For scripts: `python -m benchmark` prints a line a grid point and its table on standard output, and `python -m analysis`
what was asked for. Complaints, bars and what was left out go to standard error. A file or a pipe gets no colours and no
other control characters.

| exit code | meaning |
| --- | --- |
| 0 | every point came to its end, and something was measured; the command was carried out |
| 1 | a point failed or is missing; MLflow did not take every record (`sync`); `compare --fail-on` found what it names |
| 2 | the command cannot be carried out: one line says why |
| 130 | Ctrl-C |
| 141 | the reader of the output left, as `head` does |

From benchmark/config/schema.py, by `python -m benchmark.cli.keys_page > docs/keys.md`.
"""
TYPES = {int: "whole number", float: "number", bool: "true or false", str: "text"}


def page() -> str:
    """The groups, then every key with its type, default, allowed values and meaning."""
    usual, offered, chosen = config_of([]), options(), usual_choices()
    group_rows = (
        [_code(name), _code(chosen[name]), ", ".join(map(_code, offered[name])), meaning]
        for name, meaning in groups().items()
        if name in offered
    )
    key_rows = ([_code(key.name), *_values(key, usual), key.meaning] for key in keys())
    return "\n".join(
        [
            INTRODUCTION,
            "## Groups",
            "",
            "`GROUP=NAME` chooses from a group.",
            "",
            *_table(["group", "default", "names", "meaning"], group_rows),
            "",
            "## Values",
            "",
            "`KEY=VALUE` sets a value; with `-m`, `KEY=A,B` makes a sweep.",
            "",
            *_table(["key", "type", "default", "allowed", "meaning"], key_rows),
            "",
        ]
    )


def _values(key: Key, usual: Config) -> list[str]:
    """A key's type, default and allowed values."""
    name = "one of a list" if key.members else TYPES[key.kind]
    allowed = ", ".join(map(_code, key.members)) or key.field.metadata["allowed"]
    default = attrgetter(key.name)(usual)
    return [f"{name} or null" if key.is_optional else name, _code(as_typed(default)), allowed]


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_row(headings), _row(["---"] * len(headings)), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _code(text: str) -> str:
    return f"`{text}`"


if __name__ == "__main__":
    with ending_when_unwritable():
        sys.stdout.write(page())
