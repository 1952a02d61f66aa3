"""The words of the command line, before Hydra reads them: options to the front, and what Hydra would let through."""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from benchmark.config.folder import BASE, options
from benchmark.config.schema import Key, keys
from crossover.errors import UserError

SWITCH = ("true", "false")


def arranged(words: Sequence[str]) -> list[str]:
    """The words with Hydra's options before the overrides, since Hydra does not take them behind.

    Raises:
        UserError: when an option is not known or lacks its value, a switch has another value than true or false,
            or a group's choice is a part of others.
    """
    _, overrides = _parser().parse_known_args(list(words))
    for word in overrides:
        if word.startswith("-"):
            raise UserError(f"there is no option {word!r}: write KEY=VALUE, -m for a sweep, or --help for all keys")
        _check(word)
    return [word for word in words if word not in overrides] + overrides


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print below its usage."""
        raise UserError(f"the command line cannot be read ({message}): --help shows how to write it")


def _parser() -> _Parser:
    """Hydra's options, as `--hydra-help` lists them."""
    parser = _Parser(prog="benchmark", add_help=False)
    for names in (
        ("--multirun", "-m"),
        ("--run", "-r"),
        ("--resolve",),
        ("--hydra-help",),
        ("--version",),
        ("--shell-completion", "-sc"),
    ):
        parser.add_argument(*names, action="store_true")
    for names in (
        ("--package", "-p"),
        ("--config-path", "-cp"),
        ("--config-name", "-cn"),
        ("--config-dir", "-cd"),
        ("--experimental-rerun",),
    ):
        parser.add_argument(*names)
    parser.add_argument("--cfg", "-c", choices=["job", "hydra", "all"])
    kinds = ["all", "config", "defaults", "defaults-tree", "plugins", "searchpath"]
    parser.add_argument("--info", "-i", nargs="?", const="all", choices=kinds)
    return parser


def _check(override: str) -> None:
    name, _, given = override.lstrip("+").partition("=")
    values = given.split(",")
    offered = options().get(name)
    if offered and (base := next((value for value in values if value.startswith(BASE)), None)):
        raise UserError(f"{name}={base} is a part of other choices: choose one of {', '.join(offered)}")
    if any(key.name == name and _is_switch(key) for key in keys()):
        for value in values:
            if value.strip().isdigit():
                raise UserError(f"{name}={value} is not allowed: give {' or '.join(SWITCH)}")


def _is_switch(key: Key) -> bool:
    return key.field.type is bool
