"""Say in one line what is wrong with the command line, whichever library noticed it."""

import difflib
import errno
import re
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError

from benchmark.config.folder import BASE, options
from benchmark.config.keys import groups, keys
from benchmark.config.quoting import takes_any_text
from benchmark.config.schema import Config
from crossover.command_line import guess
from crossover.errors import UserError

SURE, LIKE = 0.8, 0.7
"""The likeness of two names from which one is taken for a slip of the other, and for what was meant at all."""
FULL = {errno.ENOSPC, errno.EDQUOT}


def complaint(error: BaseException) -> str | None:
    """The line for an error that the user can mend; None for one of our own."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, HydraException | OmegaConfBaseException) or "override must be" in str(error):
        return _reworded(f"{error}\n{error.__cause__ or ''}")
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        where = f"{mark.name}, line {mark.line + 1}" if mark else "a file of conf/"
        return f"{where}: {error.problem or error.context}: mend its YAML"
    if isinstance(error, OSError) and error.filename:
        return (
            f"{error.filename}: {error.strerror}; if it belongs to the output, give another folder, output_dir=FOLDER"
        )
    if isinstance(error, OSError) and error.errno in FULL:  # a full disk gives no name by itself
        return f"{error.strerror}: make room, or give another folder, output_dir=FOLDER"
    return None


def _reworded(text: str) -> str:
    for pattern, reword in REWORDINGS.items():
        if (match := re.search(pattern, text, re.DOTALL)) and (line := reword(match)):
            return line
    return " ".join(text.split())


def _unknown_option(match: re.Match[str]) -> str:
    group, name = match.groups()
    names = re.findall(rf"^\t(?!{BASE})([\w/]+)$", match.string, re.MULTILINE)
    return f"{group}={name} is not known{guess(name, names)}; choose one of {', '.join(names)}"


def _unknown_key(match: re.Match[str]) -> str:
    key = _full_key(match)
    if key.startswith("hydra.launcher."):
        return (
            f"the launcher has no key {key!r}: give keys of the launcher that hardware= chooses, for one hardware alone"
            " and without hydra/launcher= beside it; `python -m benchmark --cfg hydra -p hydra.launcher` shows them"
        )
    if key.startswith("hydra."):
        return f"there is no key {key!r}: `python -m benchmark --cfg hydra` shows Hydra's own"
    group, dot, name = key.rpartition(".")
    holder = getattr(Config(), group, None) if dot else Config()
    known = [field.name for field in fields(holder)] if is_dataclass(holder) else []
    if meant := _meant(name, known):
        return f"there is no key {key!r} (did you mean {group + dot + meant!r}?): --help lists all"
    elsewhere = [each.name for each in keys() if each.name.rpartition(".")[2] == name]
    if elsewhere and not dot:
        return f"there is no key {key!r} (did you mean {elsewhere[0]!r}?): --help lists all"
    return f"there is no key {key!r}; the keys are {', '.join(group + dot + each for each in known)}"


def _meant(name: str, known: Sequence[str]) -> str | None:
    """The name that another is a slip or the beginning of, or like; None where there is none."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=SURE)
    begun = [each for each in known if each.startswith(name) or name.startswith(each)]
    like = difflib.get_close_matches(name, known, n=1, cutoff=LIKE)
    return next(iter([*close, *begun, *like]), None)


def _wrong_value(match: re.Match[str]) -> str | None:
    """The line for a value that a key of ours does not take; None for a key of Hydra's."""
    name, value = match[1].lstrip("+"), match[2]
    for key in keys():
        if key.name == name:
            kinds = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
            allowed = f"one of {', '.join(key.members)}" if key.members else kinds[key.kind]
            meant = guess(value, key.members)
            return f"{name}={value} is not allowed{meant}: give {allowed}{' or null' if key.is_optional else ''}"
    if name in groups():
        inside = ", ".join(key.name for key in keys() if key.name.startswith(f"{name}."))
        return f"{name}={value} is not allowed, since {name} is a group: set one of {inside}"
    return None


def _wrong_type(match: re.Match[str]) -> str:
    value, kind = match[1], match[2].lower()
    kinds = {"integer": "a whole number", "float": "a number", "bool": "true or false"}
    return f"{_full_key(match)}={value} is not allowed: give {kinds.get(kind, kind)}"


def _wrong_choice(match: re.Match[str]) -> str:
    value, choices = match.groups()
    meant = guess(value.lower(), choices.lower().split(", "))
    return f"{_full_key(match)}={value} is not allowed{meant}: give one of {choices.lower()}"


def _needs_sweep(match: re.Match[str]) -> str:
    given = match[1]
    name, _, value = given.partition("=")
    in_one = f"; one value that has a comma needs quotation marks, \"{name}='a,b'\"" if takes_any_text(name) else ""
    if re.search(r"['\" ]", value):
        return f"{name} is given several values: add -m to run them as a sweep{in_one}"
    return f"{given} gives several values: add -m to run them as a sweep, python -m benchmark -m {given}{in_one}"


def _unset(match: re.Match[str]) -> str:
    return f"{_full_key(match)} has no value: give it, {_full_key(match)}=..."


def _syntax(match: re.Match[str]) -> str:
    return f"{match[1]!r} cannot be read: write KEY=VALUE, or with -m KEY=A,B for several values"


def _grammar(match: re.Match[str]) -> str:
    what = match[1].strip().splitlines()[0]
    return (
        f"an override cannot be read ({what}): put values with other than plain characters in quotes, \"KEY='VALUE'\""
    )


def _no_name(_: re.Match[str]) -> str:
    return "a group takes a name, as in judge=none or model=tiny_llada: --help lists the groups and their names"


def _tilde(match: re.Match[str]) -> str:
    return f"{match[1]} is not allowed, since ~ is known to a shell alone: write the folder out, or $HOME/..."


def _no_source(match: re.Match[str]) -> str:
    key = _full_key(match)
    key = "output_dir" if key.startswith("hydra.") else key  # Hydra's folders are in it
    return (
        f"{key} takes its value from ${{{match[1]}}}, which is not known: give a value,"
        " or the name of a key of docs/keys.md"
    )


def _no_config(match: re.Match[str]) -> str:
    return (
        f"--config-name {match[1]}: the folder of the configuration has no such file; leave it out, or name one there"
    )


def _no_group(match: re.Match[str]) -> str:
    return f"there is no group {match[1]!r}{guess(match[1], groups())}: choose from {', '.join(options())}"


def _superfluous_plus(match: re.Match[str]) -> str:
    return f"{match[1]!r} is there already: leave out the +, {match[1]}=VALUE"


def _full_key(match: re.Match[str]) -> str:
    key = re.search(r"full_key: (\S+)", match.string)
    return key[1] if key else "a value"


REWORDINGS: dict[str, Callable[[re.Match[str]], str | None]] = {
    r"Could not find '([\w/]+)/([^']*)'": _unknown_option,
    r"Key '[^']+' (?:is not in struct|not in)": _unknown_key,
    r"Error merging override ([\w.+/]+)=([^\n]*)": _wrong_value,
    r"UserError raised while resolving interpolation: ([^\n]*)": lambda match: match[1],
    r"Interpolation key '([^']*)' not found": _no_source,
    r"Unsupported interpolation type (\S+)": _no_source,
    r"Cannot find primary config '([^']*)'": _no_config,
    r"Could not override '([^']*)'": _no_group,
    r"Could not append to config. An item is already at '([^']*)'": _superfluous_plus,
    r"Multiple values for ([\w/]+)\.": _superfluous_plus,
    r"LexerNoViableAltException: ([^\n]*=~[^\n]*)": _tilde,
    r"Invalid value '([^']*)', expected one of \[(.*?)\]": _wrong_choice,
    r"Value '([^']*)' of type '\w+' (?:could not be converted to|is not convertible to) (\w+)": _wrong_type,
    r"Value '([^']*)' is not a valid (bool)": _wrong_type,
    r"Ambiguous value for argument '([^\n]*)'\n": _needs_sweep,
    r"Error parsing override '([^']*)'": _syntax,
    r"issing mandatory value": _unset,
    r"Config group override must be": _no_name,
    r"(.*)\nSee https://hydra.cc/docs/\S+/override_grammar": _grammar,
}
