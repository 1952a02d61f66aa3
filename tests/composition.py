"""Compose the configuration as the command line does."""

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from benchmark.config.convert import to_config
from benchmark.config.folder import CONF
from benchmark.config.schema import Config, register


def composed(*overrides: str, with_hydra: bool = False) -> DictConfig:
    register()
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        return compose("config", overrides=list(overrides), return_hydra_config=with_hydra)


def config(*overrides: str) -> Config:
    return to_config(composed(*overrides))
