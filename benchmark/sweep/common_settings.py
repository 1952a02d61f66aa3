"""The settings that all points of a sweep share."""

from collections.abc import Sequence

from benchmark.config.convert import to_settings
from benchmark.config.schema import Config
from benchmark.config.settings import Settings
from crossover.errors import UserError

SETTING_KEYS = {
    "tracking_uri": "tracking.uri",
    "experiment": "tracking.experiment",
    "sweep": "sweep.name",
    "remote": "hardware.remote",
    "gpu": "hardware.gpu",
}
"""Names of settings on the command line, where they differ from the field's."""


def common_settings(configs: Sequence[Config]) -> Settings:
    """The settings that all points of a sweep share.

    Raises:
        UserError: naming one that varies, which would be ignored for all points but the first.
    """
    first, *others = (to_settings(config) for config in configs)
    for other in others:
        if other != first:
            values = vars(other)
            name, value = next((name, value) for name, value in vars(first).items() if values[name] != value)
            raise UserError(
                f"{SETTING_KEYS.get(name, name)} is {_as_written(value)} for one point of this sweep and"
                f" {_as_written(values[name])} for another: a sweep has one, so give a command for each"
            )
    return first


def _as_written(value: object) -> str:
    """A setting's value as a command line gives it."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)
