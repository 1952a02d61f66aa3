"""The words of the command line, before Hydra reads them: options to the front, and what Hydra would let through."""

import argparse
import re
from collections.abc import Sequence
from itertools import zip_longest
from typing import NoReturn

from benchmark.cli.misread import misread, unknown_option, wrong_completion
from benchmark.config.folder import BASE, options
from benchmark.config.keys import keys
from benchmark.config.quoting import quoted
from crossover.addresses import without_credentials
from crossover.errors import UserError

SWITCH = ("true", "false")
CFG = ("job", "hydra", "all")
INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")
"""What Hydra's options of these names take."""
CHOICE = re.compile(rf"(?!{BASE})['\"\w./ -]+")
"""What the name of a choice may look like. A file whose name begins with an underscore is a part of others."""


def arranged(words: Sequence[str]) -> list[str]:
    """The words with Hydra's options before the overrides, since Hydra does not take them behind.

    Raises:
        UserError: when an option is not known or lacks its value, a switch has another value than true or false,
            a group's choice is a part of others, or the store's address cannot be used.
    """
    options_given, overrides = _parser().parse_known_args(list(words))
    _check_shown(options_given)
    if options_given.shell_completion:
        if line := wrong_completion(overrides):
            raise UserError(line)
        return list(words)
    for word, following in zip_longest(overrides, overrides[1:], fillvalue=""):
        if word.startswith("-"):
            raise UserError(unknown_option(word))
        if line := misread(word, following):
            raise UserError(line)
        _check(word)
    overrides_as_one = [quoted(_as_one_value(_without_password(word))) for word in overrides]
    return [word for word in words if word not in overrides] + overrides_as_one


def _as_one_value(override: str) -> str:
    """The override with its list as one text, where the list names what one run uses: Hydra would sweep over it."""
    name, equals, given = override.partition("=")
    if name.lstrip("+") != "hardware.gpus" or given in {"", "null"} or given[0] in "'\"":
        return override
    return f"{name}{equals}'{given.strip('[]')}'"


def _without_password(override: str) -> str:
    """The override without the password of the store, so that Hydra and the ledger never see it."""
    name, equals, given = override.partition("=")
    if name.lstrip("+") != "tracking.uri" or "$" in given:  # ${...} is resolved later, and stays in what is kept
        return override
    address = given.strip("\"'")
    return name + equals + given.replace(address, without_credentials(address, name)) if address else override


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print below its usage."""
        raise UserError(f"the command line cannot be read ({message}): --help shows how to write it")


def _parser() -> _Parser:
    """Hydra's options, as `--hydra-help` lists them, but for running a job from a file of Hydra's again."""
    parser = _Parser(prog="benchmark", add_help=False)
    for option in ("--resolve", "--hydra-help"):
        parser.add_argument(option, action="store_true")
    for names in (("--package", "-p"), ("--config-path", "-cp"), ("--config-name", "-cn"), ("--config-dir", "-cd")):
        parser.add_argument(*names)
    command = parser.add_mutually_exclusive_group()
    for names in (("--multirun", "-m"), ("--run", "-r"), ("--shell-completion", "-sc")):
        command.add_argument(*names, action="store_true")
    command.add_argument("--cfg", "-c", choices=CFG)
    command.add_argument("--info", "-i", nargs="?", const="all", choices=INFO)
    return parser


def _check_shown(given: argparse.Namespace) -> None:
    """Refuse options of --cfg without it, and a part that the configuration does not have."""
    if given.cfg is None and (given.resolve or given.package):
        option = "--resolve" if given.resolve else f"--package {given.package}"
        raise UserError(f"{option} is for showing the configuration: give --cfg job with it")
    parts = list(dict.fromkeys([key.name.partition(".")[0] for key in keys()] + ["hydra"]))
    if given.package and given.package.partition(".")[0] not in parts:
        raise UserError(f"--package {given.package} is no part of the configuration: give one of {', '.join(parts)}")


def _check(override: str) -> None:
    name, equals, given = override.lstrip("+").partition("=")
    if equals and not name:
        raise UserError(f"{override!r} cannot be read: write KEY=VALUE")
    if override.startswith("~") and not override.startswith("~hydra"):
        raise UserError(f"{override} is not allowed, since every key has a value: give another, KEY=VALUE")
    if name == "hydra.job.chdir" and given.lower() != "false":
        raise UserError(f"{override} is not allowed: output_dir=FOLDER says where results go, and jobs start here")
    if name in (offered := options()):
        _check_choice(name, given, offered[name])
    elif any(key.name == name and key.kind is bool for key in keys()):
        _check_switch(name, given)


def _check_choice(group: str, given: str, offered: Sequence[str]) -> None:
    """Refuse what is no name of a choice. Hydra's own functions, such as glob(*), are left to it."""
    if "(" in given or given.startswith("{"):
        return
    for value in given.split(","):
        if not CHOICE.fullmatch(value) or value == "null":
            raise UserError(f"{group}={value} is not known; choose one of {', '.join(offered)}")


def _check_switch(name: str, given: str) -> None:
    """Refuse numbers, which Hydra takes for true."""
    for value in given.split(","):
        if value.strip().lstrip("+-").isdigit():
            raise UserError(f"{name}={value} is not allowed: give {' or '.join(SWITCH)}")
