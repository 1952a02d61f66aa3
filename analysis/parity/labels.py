"""Labels of models, made different where checkpoints are: two checkpoints are never one curve, nor one name."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from crossover.records.record import Record
from crossover.records.settings import Model

Identity = tuple[str, str | None, str | None]
"""A checkpoint, its revision, and its content."""


def with_distinct_labels(records: Sequence[Record]) -> list[Record]:
    """The records, those of different checkpoints under different labels of their models.

    A label is made longer only where two checkpoints share it: by the last part of the checkpoint's path, or by the
    whole path where that is the same too. Contents show in a longer label by themselves.
    """
    models = {_identity(record.run.model): record.run.model for record in records}
    labelled = {_identity(model): model for group in _by_label(models.values()) for model in _told_apart(group)}
    return [_relabelled(record, labelled[_identity(record.run.model)].variant) for record in records]


def _identity(model: Model) -> tuple[str, Identity]:
    return model.name, (model.checkpoint, model.revision, model.content)


def _by_label(models: Iterable[Model]) -> list[list[Model]]:
    groups: dict[str, list[Model]] = defaultdict(list)
    for model in models:
        groups[model.label].append(model)
    return list(groups.values())


def _told_apart(models: Sequence[Model]) -> list[Model]:
    """Models of one label, under the shortest variants that give each a label of its own."""
    if len(models) == 1:
        return list(models)
    by_tail = [_variant(model, model.checkpoint.rstrip("/").rpartition("/")[2]) for model in models]
    if len({model.label for model in by_tail}) == len(models):
        return by_tail
    return [_variant(model, model.checkpoint) for model in models]


def _variant(model: Model, words: str) -> Model:
    return replace(model, variant=words if model.revision is None else f"{words}@{model.revision}")


def _relabelled(record: Record, variant: str | None) -> Record:
    if record.run.model.variant == variant:
        return record
    run = replace(record.run, model=replace(record.run.model, variant=variant))
    return replace(record, run=run, name=run.name)
