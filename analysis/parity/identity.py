"""What records read, compared by content: two checkpoints are never one curve, nor one name.

Records from before there were contents take the one that newer records found under the same name, if there is just one.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

from crossover.records.record import Record
from crossover.records.settings import Encoder, Judge, Model, Prompts

Read = TypeVar("Read", Model, Prompts, Judge, Encoder)
Name = tuple[Hashable, ...]


def told_apart(records: Sequence[Record]) -> list[Record]:
    """The records, those of different checkpoints under different labels of their models.

    A label is made longer only where two checkpoints share it: by the last part of the checkpoint's path, or by the
    whole path where that is the same too. Contents show in a longer label by themselves.
    """
    known = _with_known_contents(records)
    models = {_identity(record.run.model): record.run.model for record in known}
    labelled = {_identity(model): model for group in _by_label(models.values()) for model in _labelled(group)}
    return [_with_parts(record, model=_like(record.run.model, labelled)) for record in known]


def scored_once(records: Sequence[Record]) -> list[Record]:
    """The records without those that score a text again by the scorers of another record; the newest scores stay.

    Scores by other scorers stay beside each other.
    """
    by_scorers: dict[Name, Record] = {}
    for record, known in zip(records, _with_known_contents(records), strict=True):
        scorers = (record.origin, _wherever(known.run.judge), _wherever(known.run.encoder))
        kept = by_scorers.get(scorers)
        if kept is None or _scored(kept) <= _scored(record):
            by_scorers[scorers] = record
    kept_ids = {id(record) for record in by_scorers.values()}
    return [record for record in records if id(record) in kept_ids]


def _wherever(scorer: Judge | Encoder | None) -> Judge | Encoder | None:
    """Who scores, wherever it ran."""
    return scorer if scorer is None or scorer.device is None else replace(scorer, device=None)


def _scored(record: Record) -> tuple[bool, int]:
    """The order in which scores were given: a run's own first; contents were not known to earlier versions."""
    scorers = [each for each in (record.run.judge, record.run.encoder) if each is not None]
    return record.rescored_from is not None, sum(each.content is not None for each in scorers)


def _with_known_contents(records: Sequence[Record]) -> list[Record]:
    model = _completer(records, lambda record: record.run.model, _model_name)
    prompts = _completer(records, lambda record: record.run.prompts, lambda record: (record.run.prompts.source,))
    judge = _completer(records, lambda record: record.run.judge, lambda record: _scorer_name(record.run.judge))
    encoder = _completer(records, lambda record: record.run.encoder, lambda record: _scorer_name(record.run.encoder))
    return [
        _with_parts(record, model=model(record), prompts=prompts(record), judge=judge(record), encoder=encoder(record))
        for record in records
    ]


def _completer(
    records: Iterable[Record], read_by: Callable[[Record], Read | None], name_in: Callable[[Record], Name]
) -> Callable[[Record], Read | None]:
    """What gives what a record read, with a content if it has none: the only one that is known of its name."""
    contents: dict[Name, set[str]] = defaultdict(set)
    for record in records:
        if (read := read_by(record)) is not None and read.content is not None:
            contents[name_in(record)].add(read.content)

    def complete(record: Record) -> Read | None:
        read = read_by(record)
        if contents and read is not None and read.content is None and len(known := contents[name_in(record)]) == 1:
            return replace(read, content=next(iter(known)))
        return read

    return complete


def _model_name(record: Record) -> Name:
    """What a record says of its model besides the content; the hash of its weights is in older records too."""
    weights = None if record.fingerprint is None else record.fingerprint.weights_sha256
    return record.run.model.checkpoint, record.run.model.revision, record.run.weights, weights


def _scorer_name(scorer: Judge | Encoder | None) -> Name:
    return () if scorer is None else (scorer.checkpoint, scorer.revision)


def _identity(model: Model) -> Name:
    return model.name, model.checkpoint, model.revision, model.content


def _by_label(models: Iterable[Model]) -> list[list[Model]]:
    groups: dict[str, list[Model]] = defaultdict(list)
    for model in models:
        groups[model.label].append(model)
    return list(groups.values())


def _labelled(models: Sequence[Model]) -> list[Model]:
    """Models of one label, under the shortest variants that give each a label of its own."""
    if len(models) == 1:
        return list(models)
    by_tail = [_variant(model, model.checkpoint.rstrip("/").rpartition("/")[2]) for model in models]
    if len({model.label for model in by_tail}) == len(models):
        return by_tail
    return [_variant(model, model.checkpoint) for model in models]


def _variant(model: Model, words: str) -> Model:
    return replace(model, variant=words if model.revision is None else f"{words}@{model.revision}")


def _like(model: Model, labelled: dict[Name, Model]) -> Model:
    variant = labelled[_identity(model)].variant
    return model if variant == model.variant else replace(model, variant=variant)


def _with_parts(record: Record, **parts: Model | Prompts | Judge | Encoder | None) -> Record:
    """The record of a run whose parts say more than they did; its key stays what it was stored under."""
    if all(part is getattr(record.run, name) for name, part in parts.items()):
        return record
    run = replace(record.run, **parts)  # type: ignore[arg-type] # each part stands under the name of its kind
    return record if run == record.run else replace(record, run=run, name=run.name)
