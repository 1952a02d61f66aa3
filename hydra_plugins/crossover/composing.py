"""Compose the points of a grid: each choice of groups once, then values set as Hydra itself sets them.

Hydra builds a configuration from the groups that are chosen, and sets values in it afterwards. Only the groups decide
which files it reads. So points that differ in values share one reading, which saves a tenth of a second a point. Each
gets a copy of it, made from bytes, in a fifth of the time of `deepcopy`. Points that share an override share its
parsing. Hydra is asked once whether a key is a group, since it copies all that it has read before it answers.
"""

import pickle
from collections.abc import Callable, Sequence

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException


class Composer:
    """Composes overrides to configurations without Hydra's own part, which `see` is shown."""

    def __init__(
        self, loader: ConfigLoader, config: DictConfig, see: Callable[[DictConfig], None] = lambda _: None
    ) -> None:
        self._see = see
        self._loader = loader
        self._config = config
        self._parser = OverridesParser.create(config_loader=loader)
        self._pickled: dict[tuple[str, ...], bytes] = {}
        self._parsed: dict[str, Override] = {}
        self._is_group: dict[str, bool] = {}

    def __call__(self, overrides: Sequence[str]) -> DictConfig:
        """The configuration of a point; what is wrong with it is raised as Hydra raises it."""
        parsed = [self._parse(each) for each in overrides]
        values = [each for each in parsed if not self._chooses(each)]
        if not all(map(_replaces_value, values)):
            return self._compose(overrides)
        groups = tuple(each.input_line or "" for each in parsed if self._chooses(each))
        if groups not in self._pickled:
            self._pickled[groups] = pickle.dumps(self._compose(groups), pickle.HIGHEST_PROTOCOL)
        composed: DictConfig = pickle.loads(self._pickled[groups])  # noqa: S301 (a line above wrote it)
        try:
            for each in values:
                OmegaConf.update(composed, each.key_or_group, each.value(), merge=True)
        except OmegaConfBaseException:  # Hydra has words of its own for it
            return self._compose(overrides)
        return composed

    def _parse(self, override: str) -> Override:
        if override not in self._parsed:
            (self._parsed[override],) = self._parser.parse_overrides([override])
        return self._parsed[override]

    def _chooses(self, override: Override) -> bool:
        """Whether an override may decide which files are read; all overrides of Hydra's own settings count."""
        key = override.key_or_group
        if key.startswith("hydra"):
            return True
        if isinstance(override.value(), dict):
            return False
        if key not in self._is_group:
            self._is_group[key] = bool(self._loader.get_group_options(key))
        return self._is_group[key]

    def _compose(self, overrides: Sequence[str]) -> DictConfig:
        composed = self._loader.load_sweep_config(self._config, list(overrides))
        self._see(composed.hydra)
        with open_dict(composed):
            composed.pop("hydra", None)
        return composed


def _replaces_value(override: Override) -> bool:
    """Whether an override is KEY=VALUE: without `+` or `~`, and without a package, which a group has."""
    changes_keys = override.is_add() or override.is_force_add() or override.is_delete()
    return not changes_keys and override.package is None
