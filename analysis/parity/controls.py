"""What must be equal before two runs are compared.

A control is what an experiment holds constant: hardware, software, shape, prompts, judge.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from analysis.statistics.remembered import remembered
from crossover.errors import UserError
from crossover.records.machine import Environment
from crossover.records.record import Record
from crossover.records.run import Run
from crossover.records.settings import LABEL_DIGITS, Device

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


def controls_of(record: Record, allow: Collection[str] = frozenset()) -> Controls:
    """Each control and its value in `record`, without those in `allow`."""
    return tuple(control for control in _every_control(record) if control[0] not in allow)


@remembered
def _every_control(record: Record) -> Controls:
    return tuple((name, read(record)) for name, read in CONTROLS.items())


def check_allowed(allow: Iterable[str]) -> None:
    """Refuse names that are no control.

    Raises:
        UserError: with the names that are.
    """
    unknown = sorted(set(allow) - CONTROLS.keys())
    if unknown:
        raise UserError(f"allow={','.join(unknown)} names no control: use {', '.join(CONTROLS)}")


def difference(record: Record, others: Iterable[Controls], allow: Collection[str] = frozenset()) -> str:
    """The controls in which the most similar of `others` differs from `record`, with both values."""
    own = controls_of(record, allow)
    differing = [[(a, b) for a, b in zip(own, other, strict=True) if a != b] for other in others]
    closest = min(differing, key=len)
    return "; ".join(f"{name} is {value}, there {there}" for (name, value), (_, there) in closest)
