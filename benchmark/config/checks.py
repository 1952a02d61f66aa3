"""What the schema's types let through: keys that are not in it, values off a list, values that would change nothing."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from benchmark.config.keys import keys
from benchmark.config.schema import Config
from benchmark.config.settings import Strictness
from benchmark.models.checkpoint import is_remote
from benchmark.tasks.rules import RuleName, parse_rule
from crossover.command_line import guess
from crossover.errors import UserError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""What a sweep may be called: its id names a folder, and options of other programs."""

LARGEST_SEED = 2**31 - 1


def refuse_unknown(config: "DataclassInstance", group: str = "") -> None:
    """Hydra lets `+key=value` add what is not in the schema; here it would change nothing.

    Raises:
        UserError: naming the first such key.
    """
    names = [entry.name for entry in fields(config)]
    for name, value in vars(config).items():
        if name not in names:
            allowed = ", ".join(group + known for known in names)
            raise UserError(f"there is no key {group + name!r}: set one of {allowed}")
        if is_dataclass(value) and not isinstance(value, type):
            refuse_unknown(value, f"{name}.")


def refuse_unlisted(config: Config) -> None:
    """Keys with a list take one of its values, texts are not empty, and every generator of random numbers has the seed.

    Raises:
        UserError: naming the first that has another.
    """
    for key in keys():
        value = attrgetter(key.name)(config)
        if key.listed and value not in key.listed:
            meant = guess(str(value), key.listed)
            raise UserError(f"{key.name}={value} is not allowed{meant}: give one of {', '.join(key.listed)}")
        if value == "":
            raise UserError(f"{key.name}= has no value: give a text{' or null' if key.is_optional else ''}")
    if config.seed > LARGEST_SEED:
        raise UserError(f"seed={config.seed} is not allowed: give a whole number of at most {LARGEST_SEED}")


def refuse_ignored(config: Config) -> None:
    """A value that would change nothing is a misunderstanding.

    Raises:
        UserError: naming the first, and what it needs.
    """
    for line in _ignored(config):
        raise UserError(line)


def _ignored(config: Config) -> Iterator[str]:
    if config.detach and not config.hardware.remote:
        yield (
            "detach=true is for jobs on a cluster, and these points run on this machine:"
            " leave it out, or give hardware=a100"
        )
    yield from _retries(config)
    if config.hardware.device == "cpu" and config.hardware.gpu is not None:
        yield (
            f"hardware.gpu={config.hardware.gpu} is not allowed with hardware.device=cpu:"
            " give hardware.gpu=null, or another hardware.device"
        )
    if config.encoder.layer is not None and config.encoder.checkpoint is None:
        yield f"encoder.layer={config.encoder.layer} needs an encoder: give encoder=minilm or encoder.checkpoint=FOLDER"
    usual = Config().likelihood
    for name in ("samples", "orders"):
        value = getattr(config.likelihood, name)
        if config.likelihood.documents is None and value != getattr(usual, name):
            yield f"likelihood.{name}={value} needs documents to score: give likelihood=on"
    yield from _rule(config.prompts.rule)
    yield from _pair(config)
    for group in ("model", "judge", "encoder"):
        checkpoint, revision = getattr(config, group).checkpoint, getattr(config, group).revision
        if revision is not None and (checkpoint is None or not is_remote(checkpoint)):
            yield (
                f"{group}.revision={revision} is for checkpoints on the hub, and {group}.checkpoint is"
                f" {'null' if checkpoint is None else checkpoint}: leave the revision out, or give a hub id"
            )


def _pair(config: Config) -> Iterator[str]:
    models = (config.pair.models or "").split(",")
    if config.pair.name is not None and config.model.name not in models:
        yield (
            f"pair={config.pair.name} is of model={config.pair.models}, and model={config.model.name} is none of them:"
            " give each pair a command of its own, or leave the pair out"
        )


def _rule(rule: str | None) -> Iterator[str]:
    try:
        parse_rule(rule or RuleName.exact)
    except ValueError as error:
        yield f"prompts.rule: {error}"


def _retries(config: Config) -> Iterator[str]:
    if config.detach and config.strict == Strictness.retry:
        yield (
            "strict=retry waits for what it may have to measure again, and detach=true ends the command:"
            " leave one of them out"
        )
    if config.strict != Strictness.retry and config.retries != Config().retries:
        yield f"retries={config.retries} is for strict=retry: give it, or leave retries out"
