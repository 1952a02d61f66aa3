"""Choose the launcher of a sweep: the one that all its points have.

Hydra chooses a launcher before it looks at what is swept: with `hardware=a,b` it takes the default's for all points.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from omegaconf import DictConfig, OmegaConf

from crossover.errors import UserError


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """The launcher of a point, as configured, beside the groups' names that led to it."""

    launcher: DictConfig
    choices: Mapping[str, str]

    @property
    def settings(self) -> dict[str, object]:
        """The launcher's settings as written, since some of them resolve to the present time."""
        return {str(name): value for name, value in OmegaConf.to_container(self.launcher, resolve=False).items()}  # type: ignore[union-attr]  # a DictConfig's is a dict


class OneLauncher:
    """The launcher that all points seen so far have."""

    def __init__(self) -> None:
        self._seen: _Seen | None = None

    def see(self, hydra: DictConfig) -> None:
        """Add a point, by Hydra's part of its configuration.

        Raises:
            UserError: when this point's launcher is not that of the points before it.
        """
        seen = _Seen(launcher=hydra.launcher, choices=dict(hydra.runtime.choices))
        if self._seen is None:
            self._seen = seen
        if self._seen.settings != seen.settings:
            raise UserError(_differing(self._seen, seen))

    def configured(self, config: DictConfig) -> DictConfig:
        """A sweep's configuration with the launcher of its points."""
        if self._seen is None:
            return config
        chosen = config.copy()
        chosen.hydra.launcher = self._seen.launcher
        return chosen


def _differing(one: _Seen, other: _Seen) -> str:
    """The choices of two points that one sweep cannot have both."""
    key = "hydra/launcher"
    first, second = one.choices[key], other.choices[key]
    if first == second:
        names = [*one.settings, *other.settings]
        name = next(each for each in names if one.settings.get(each) != other.settings.get(each))
        key, first, second = f"hydra.launcher.{name}", str(one.settings.get(name)), str(other.settings.get(name))
    groups = [each for each, name in one.choices.items() if name != other.choices.get(each) and "hydra" not in each]
    who = [" ".join(f"{each}={seen.choices.get(each)}" for each in groups) for seen in (one, other)]
    return (
        f"{who[0]} starts its jobs with {key}={first} and {who[1]} with {key}={second}:"
        " a sweep has one launcher, so give a command for each"
    )
