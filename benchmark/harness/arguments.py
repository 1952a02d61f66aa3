"""What `--model_args` may say: this program's own keys, and a few of the harness."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from benchmark.config.convert import config_of, to_run
from benchmark.config.schema import Config
from benchmark.hardware.environment import gpu_count
from crossover.errors import UserError
from crossover.records.run import Run
from crossover.records.settings import Device, at_least

FIXED = ("judge=none", "encoder=none", "likelihood=none", "tracking=none")


class Likelihood(StrEnum):
    """What a diffusion model's likelihood is: exact of the sampler that the run uses, or LLaDA's upper bound."""

    sampler = "sampler"
    bound = "bound"


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """The configuration, and what only the harness asks for.

    Attributes:
        max_gen_toks: output tokens of a request that names none.
        likelihood: which likelihood a diffusion model has.
        bound_samples: random maskings of the bound, an even number.
    """

    config: Config
    max_gen_toks: int = 256
    likelihood: Likelihood = Likelihood.sampler
    bound_samples: int = 128

    def for_output(self, tokens: int) -> "Arguments":
        """The same with no more steps than there are output tokens, and those as one block."""
        return replace(self, config=replace(self.config, steps=min(self.config.steps, tokens), block_length=None))

    def run(self, *, rows: int, prompt_tokens: int, output_tokens: int, temperature: float | None = None) -> Run:
        """The run of one shape.

        Raises:
            UserError: when a value is not allowed, or no schedule has that shape.
        """
        length = prompt_tokens + output_tokens
        config = replace(
            self.config,
            batch=rows,
            length=length,
            prompt_fraction=prompt_tokens / length,
            temperature=self.config.temperature if temperature is None else temperature,
        )
        run = to_run(config, gpu_count)
        assert run.prompt_tokens == prompt_tokens
        if run.infeasible:
            raise UserError(f"{run.infeasible} (a request of {output_tokens} output tokens)")
        return run


def arguments_of(given: Mapping[str, object]) -> Arguments:
    """Read `--model_args`, `--batch_size` and `--device`.

    Raises:
        UserError: naming what is not allowed.
    """
    rest = {name: value for name, value in given.items() if value is not None}
    max_gen_toks = _whole(rest, "max_gen_toks", 256, 1)
    bound_samples = _whole(rest, "bound_samples", 128, 2)
    likelihood = str(rest.pop("loglikelihood", Likelihood.sampler))
    if likelihood not in Likelihood.__members__:
        raise UserError(f"loglikelihood={likelihood} is not allowed: give one of {', '.join(Likelihood)}")
    rest.pop("max_batch_size", None)
    if (rows := rest.pop("batch_size", None)) is not None:
        rest.setdefault("batch", 1 if rows == "auto" else rows)
    if rest.pop("device", None) == Device.cpu:  # cuda:0 is the harness's default, whether there is a GPU or not
        rest.setdefault("hardware.device", Device.cpu)
    overrides = [f"{name}={_shown(value)}" for name, value in rest.items()]
    return Arguments(
        config=config_of([*FIXED, *overrides]),
        max_gen_toks=max_gen_toks,
        likelihood=Likelihood(likelihood),
        bound_samples=bound_samples,
    )


def _whole(rest: dict[str, object], name: str, usual: int, least: int) -> int:
    """Take a whole number out of the arguments."""
    value = rest.pop(name, usual)
    try:
        number = int(str(value))
    except ValueError:
        raise UserError(f"{name}={value} is not allowed: give a whole number of at least {least}") from None
    at_least(name, number, least)
    return number


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
