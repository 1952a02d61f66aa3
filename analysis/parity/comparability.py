"""Which runs may be compared: one diffusion model with one baseline at one (B, N), every control equal.

A control is what an experiment holds constant: hardware, software, shape, prompts, judge.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from analysis.parity.identity import told_apart
from analysis.parity.ladder import by_steps, ladder_name, setting
from crossover.errors import UserError
from crossover.records.load import latest
from crossover.records.machine import Environment
from crossover.records.record import Record
from crossover.records.run import Run
from crossover.records.settings import LABEL_DIGITS, Device, Weights

Controls = tuple[tuple[str, object], ...]
"""Each control's name and value, in the order of `CONTROLS`."""


def _of_run(read: Callable[[Run], object]) -> Callable[[Record], object]:
    return lambda record: read(record.run)


def _of_environment(read: Callable[[Environment], object]) -> Callable[[Record], object]:
    return lambda record: None if record.environment is None else read(record.environment)


def _of_cpu(read: Callable[[Environment], object]) -> Callable[[Record], object]:
    """A fact of the CPU, which is a control only where the model runs on it."""
    return lambda record: (
        None if record.environment is None or record.run.device is not Device.cpu else read(record.environment)
    )


def _power_limit(environment: Environment) -> object:
    return None if environment.card is None else environment.card.power_limit_w


def _documents(record: Record) -> object:
    return None if record.measurement is None else record.measurement.prompts_digest


def _judged_text(record: Record) -> object:
    """What of an output counts as text. Older records judge what comes after an end of sequence, too."""
    if record.measurement is None:
        return None
    return "up to its end" if record.measurement.judged_until_end else "whole"


def _judge(run: Run) -> object:
    if run.judge is None:
        return None
    revision = f"@{run.judge.revision}" if run.judge.revision else ""
    return f"{run.judge.checkpoint}{revision}{_short(run.judge.content)} {run.judge.precision}"


def _encoder(run: Run) -> object:
    if run.encoder is None:
        return None
    revision = f"@{run.encoder.revision}" if run.encoder.revision else ""
    return f"{run.encoder.checkpoint}{revision}{_short(run.encoder.content)} layer {run.encoder.layer}"


def _prompts(run: Run) -> object:
    prompts = run.prompts
    how = (
        *(["by chat template"] if prompts.chat else []),
        *([f"after {prompts.shots}"] if prompts.shots is not None else []),
        *([f"right by {prompts.rule}"] if prompts.rule is not None else []),
    )
    return " ".join([f"{prompts.source}{_short(prompts.content)}", *how])


def _short(content: str | None) -> str:
    """A content's hash as it is shown behind a name."""
    return "" if content is None else f" {content[:LABEL_DIGITS]}"


def _attention(environment: Environment) -> str:
    """The kernel that the run names; those behind it compute the same for windows, which only one arm has."""
    return environment.attention.partition("; windows:")[0]


CONTROLS: Mapping[str, Callable[[Record], object]] = {
    "device": _of_run(lambda run: run.device),
    "gpu": _of_environment(lambda environment: environment.gpu),
    "cpu": _of_cpu(lambda environment: environment.cpu),
    "cpu_threads": _of_cpu(lambda environment: environment.cpu_threads),
    "precision": _of_run(lambda run: run.precision),
    "engine": _of_environment(lambda environment: environment.engine),
    "attention": _of_environment(_attention),
    "weights": _of_run(lambda run: run.weights),
    "output_tokens": _of_run(lambda run: run.output_tokens),
    "prompt_tokens": _of_run(lambda run: run.prompt_tokens),
    "prompts": _of_run(_prompts),
    "prompt_count": _of_run(lambda run: run.prompts.count),
    "documents": _documents,
    "seed": _of_run(lambda run: run.seed),
    "temperature": _of_run(lambda run: run.temperature),
    "judged_text": _judged_text,
    "judge": _of_run(_judge),
    "encoder": _of_run(_encoder),
    "python": _of_environment(lambda environment: environment.python),
    "torch": _of_environment(lambda environment: environment.torch),
    "cuda": _of_environment(lambda environment: environment.cuda),
    "driver": _of_environment(lambda environment: environment.driver),
    "transformers": _of_environment(lambda environment: environment.transformers),
    "cudnn": _of_environment(lambda environment: environment.cudnn),
    "flash_attn": _of_environment(lambda environment: environment.flash_attn),
    "system": _of_environment(lambda environment: environment.system),
    "power_limit": _of_environment(_power_limit),
    "variables": _of_environment(lambda environment: " ".join(environment.variables)),
    "crossover": _of_environment(lambda environment: environment.crossover),
    "commit": _of_environment(lambda environment: environment.commit),
}
"""What must be equal, by the name that `--allow` takes. A new control is a row here."""

OF_MEASUREMENTS = frozenset({"documents", "judged_text"})
"""Controls that a run which failed does not have."""

NO_QUALITY = "random weights have no quality to compare"


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """One diffusion model's ladder of steps beside its baseline, all measured, all controls equal.

    Attributes:
        diffusion: the model's name, with its sampling settings where they are not the usual ones.
        by_steps: the measured run of each K, smallest K first; of several replicates the first. Under a policy that
            follows the text, K counts forward passes, see `analysis.parity.ladder`.
        replicates: the other processes that measured a run, by the key of the run.
        controls: what was held equal; a control that the user allowed to vary is not in it.
    """

    batch: int
    length: int
    diffusion: str
    baseline_model: str
    by_steps: Mapping[int, Record]
    baseline: Record
    controls: Controls
    replicates: Mapping[str, tuple[Record, ...]] = field(default_factory=dict)

    def processes(self, record: Record) -> tuple[Record, ...]:
        """All replicates of a run of this pairing, itself first."""
        return (record, *self.replicates.get(record.key, ()))


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """What can be compared of the newest record of each run, of several the first, and a line for each that cannot.

    `replicates` has all processes of each run, the first of them as in `newest`.
    """

    newest: tuple[Record, ...]
    replicates: tuple[tuple[Record, ...], ...]
    pairings: tuple[Pairing, ...]
    left_out: tuple[str, ...]


def controls_of(record: Record, allow: Collection[str] = frozenset()) -> Controls:
    """Each control and its value in `record`, without those in `allow`."""
    return tuple((name, read(record)) for name, read in CONTROLS.items() if name not in allow)


def check_allowed(allow: Iterable[str]) -> None:
    """Refuse names that are no control.

    Raises:
        UserError: with the names that are.
    """
    unknown = sorted(set(allow) - CONTROLS.keys())
    if unknown:
        raise UserError(f"allow={','.join(unknown)} names no control: use {', '.join(CONTROLS)}")


def newest(records: Iterable[Record], allow: Collection[str] = frozenset()) -> list[tuple[Record, ...]]:
    """The replicates of each run under each set of controls, measured ones before failed ones, then by their index.

    Of one replicate the newest measured record counts; a failed one where there is no other. A record without an
    index is of the first replicate.
    """
    alike: dict[Controls, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda record: record.started_at):
        alike[controls_of(record, {*allow, *OF_MEASUREMENTS})].append(record)
    return [replicates for bucket in alike.values() for replicates in _replicates(bucket)]


def _replicates(records: Iterable[Record]) -> list[tuple[Record, ...]]:
    """The records of one set of controls by run, in the order of the runs' first appearance."""
    by_run: dict[str, list[Record]] = defaultdict(list)
    for record in latest(records):
        by_run[record.key].append(record)
    return [
        tuple(sorted(each, key=lambda record: (record.measurement is None, record.replicate or 0)))
        for each in by_run.values()
    ]


def group(records: Iterable[Record], allow: Collection[str] = frozenset()) -> Grouping:
    """Pair each diffusion model with each baseline of equal controls, at each batch and length.

    Random weights have no quality, so that their runs are left out, whatever is allowed to vary.

    Raises:
        UserError: when `allow` names what is no control.
    """
    check_allowed(allow)
    every = newest(told_apart(tuple(records)), allow)
    kept = [replicates[0] for replicates in every]
    measured = [record for record in kept if record.measurement is not None and not _is_random(record)]
    points: dict[tuple[int, int], list[Record]] = defaultdict(list)
    for record in measured:
        points[record.run.batch, record.run.length].append(record)
    pairings: list[Pairing] = []
    left_out = [_not_measured(record) for replicates in every for record in replicates if record.measurement is None]
    left_out += [f"{record.name}: {NO_QUALITY}" for record in kept if record.measurement and _is_random(record)]
    for _, at_point in sorted(points.items()):
        paired, alone = _pair(at_point, _by_first(every), allow)
        pairings += paired
        left_out += alone
    return Grouping(newest=tuple(kept), replicates=tuple(every), pairings=tuple(pairings), left_out=tuple(left_out))


def difference(record: Record, others: Iterable[Controls], allow: Collection[str] = frozenset()) -> str:
    """The controls in which the most similar of `others` differs from `record`, with both values."""
    own = controls_of(record, allow)
    differing = [[(a, b) for a, b in zip(own, other, strict=True) if a != b] for other in others]
    closest = min(differing, key=len)
    return "; ".join(f"{name} is {value}, there {there}" for (name, value), (_, there) in closest)


def measured_alike(replicates: Sequence[Record], allow: Collection[str]) -> tuple[Record, ...]:
    """The measured replicates whose every control is that of the first, the documents among them."""
    controls = controls_of(replicates[0], allow)
    return tuple(each for each in replicates if each.measurement is not None and controls_of(each, allow) == controls)


def _by_first(every: Iterable[tuple[Record, ...]]) -> dict[int, tuple[Record, ...]]:
    """Replicates by the identity of the first of them."""
    return {id(replicates[0]): replicates for replicates in every}


def _pair(
    records: Sequence[Record], replicates: Mapping[int, tuple[Record, ...]], allow: Collection[str]
) -> tuple[list[Pairing], list[str]]:
    """The pairings among the measured records of one (B, N), and a line for each that found no partner."""
    ladders: dict[Controls, dict[str, dict[int | str, Record]]] = defaultdict(lambda: defaultdict(dict))
    baselines: dict[Controls, dict[str, Record]] = defaultdict(dict)
    held = [(record, controls_of(record, allow)) for record in records]
    for record, controls in held:  # the newer ones later, in place of older ones
        if record.run.diffusion is None:
            baselines[controls][record.run.model.label] = record
        else:
            ladders[controls][ladder_name(record.run)][setting(record.run.diffusion)] = record
    pairings = [
        Pairing(
            batch=baseline.run.batch,
            length=baseline.run.length,
            diffusion=diffusion if len(rungs) > 1 else diffusion_name(next(iter(rungs.values())).run),
            baseline_model=model,
            by_steps=by_steps(rungs.values()),
            baseline=baseline,
            controls=controls,
            replicates={
                record.key: measured_alike(replicates[id(record)], allow)[1:] for record in (baseline, *rungs.values())
            },
        )
        for controls in ladders
        if controls in baselines
        for diffusion, rungs in ladders[controls].items()
        for model, baseline in baselines[controls].items()
    ]
    pairings.sort(key=lambda pairing: (pairing.diffusion, pairing.baseline_model))
    return pairings, _alone(held, ladders.keys(), baselines.keys(), allow)


def _alone(
    held: Iterable[tuple[Record, Controls]],
    ladders: Collection[Controls],
    baselines: Collection[Controls],
    allow: Collection[str],
) -> list[str]:
    lines = []
    for record, controls in held:
        partners, wanted = (ladders, "diffusion") if record.run.diffusion is None else (baselines, "autoregressive")
        if controls in partners:
            continue
        reason = f"no {wanted} run at this batch and length"
        if partners:
            reason = f"{difference(record, partners, allow)} in the closest {wanted} run"
        lines.append(f"{record.name}: {reason}")
    return lines


def diffusion_name(run: Run) -> str:
    """The model's name, followed by the sampling settings that differ from pure low-confidence diffusion."""
    return " ".join([run.model.label, *run.unusual_sampling])


def _is_random(record: Record) -> bool:
    return record.run.weights is Weights.random


def _not_measured(record: Record) -> str:
    assert record.failure is not None
    return f"{record.title}: {record.failure.words}"
