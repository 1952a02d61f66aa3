"""Composed at once or a point at a time, a grid has the same configurations, and the same complaints."""

from collections.abc import Sequence

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.utils import create_config_search_path
from hydra.errors import HydraException
from hydra.types import RunMode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig

from benchmark.cli.messages import complaint
from benchmark.config.convert import to_config
from benchmark.config.folder import CONF
from benchmark.config.schema import register
from hydra_plugins.crossover.composing import Composer

GROUPS = [
    ["model=tiny_llama", "model=llada", "model=tiny_llada"],
    ["judge=none", "judge=tiny"],
    ["likelihood=on", "likelihood=none"],
    ["sweep=demo", "sweep=none"],
    ["hardware=a100", "hardware=cpu"],
]
VALUES = [
    ["steps=4", "steps=8"],
    ["batch=2", "batch=16"],
    ["temperature=0.5", "temperature=1"],
    ["model.context=99", "++model.context=98"],
    ["prompts.count=3"],
    ["block_length=null", "block_length=8"],
    ["output_dir='a b'", "output_dir=x"],
    ["hydra.launcher.partition=gpu"],
    ["sweep.name=abc-1"],
]


@pytest.fixture(scope="module")
def loader() -> ConfigLoaderImpl:
    register()
    return ConfigLoaderImpl(config_search_path=create_config_search_path(str(CONF)))


@pytest.fixture(scope="module")
def master(loader: ConfigLoaderImpl) -> DictConfig:
    config = loader.load_configuration("config", overrides=["hardware=a100"], run_mode=RunMode.MULTIRUN)
    config.hydra.job.config_name = "config"
    return config


@pytest.fixture(scope="module")
def composer(loader: ConfigLoaderImpl, master: DictConfig) -> Composer:
    return Composer(loader, master)


overrides = st.lists(st.sampled_from(GROUPS + VALUES), unique_by=id).flatmap(
    lambda chosen: st.tuples(*map(st.sampled_from, chosen))
)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(given=overrides)
def test_a_point_is_what_hydra_makes_of_it(
    loader: ConfigLoaderImpl, master: DictConfig, composer: Composer, given: Sequence[str]
) -> None:
    is_what_hydra_makes_of_it(loader, master, composer, given)


@pytest.mark.process  # for its seconds
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(given=overrides)
def test_any_point_is_what_hydra_makes_of_it(
    loader: ConfigLoaderImpl, master: DictConfig, composer: Composer, given: Sequence[str]
) -> None:
    is_what_hydra_makes_of_it(loader, master, composer, given)


def is_what_hydra_makes_of_it(
    loader: ConfigLoaderImpl, master: DictConfig, composer: Composer, given: Sequence[str]
) -> None:
    given = [each for each in given if "hydra." not in each or "hardware=a100" in given]
    assert to_config(composer(given)) == to_config(loader.load_sweep_config(master, list(given)))


@pytest.mark.parametrize(
    "given", [["bach=8"], ["model=lama"], ["steps=four"], ["+bach=8"], ["model.chekpoint=x"], ["steps"], ["~steps=1"]]
)
def test_what_is_wrong_with_a_point_is_said_in_the_same_words(
    loader: ConfigLoaderImpl, master: DictConfig, composer: Composer, given: list[str]
) -> None:
    def complain(compose: object) -> str | None:
        try:
            to_config(compose(given))  # type: ignore[operator]  # either of the two
        except Exception as error:  # noqa: BLE001 (whichever it is)
            return complaint(error)
        return "nothing"

    assert complain(composer) == complain(lambda each: loader.load_sweep_config(master, list(each)))


def test_points_do_not_see_each_others_values(composer: Composer) -> None:
    first = to_config(composer(["batch=2", "prompts.count=7"]))
    second = to_config(composer(["steps=4"]))
    assert (first.batch, first.prompts.count) == (2, 7)
    assert (second.batch, second.prompts.count) == (1, 16)


def test_groups_are_read_and_asked_for_once_for_all_points_that_choose_them(
    master: DictConfig, loader: ConfigLoaderImpl, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[list[str]] = []
    load = loader.load_sweep_config

    def count(config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        read.append(sweep_overrides)
        return load(config, sweep_overrides)

    asked: list[str] = []
    options = loader.get_group_options

    def ask(group: str) -> list[str]:
        asked.append(group)
        return options(group)

    monkeypatch.setattr(loader, "load_sweep_config", count)
    monkeypatch.setattr(loader, "get_group_options", ask)
    composer = Composer(loader, master)
    for batch in range(1, 5):
        composer(["model=tiny_llama", f"batch={batch}"])
        composer([f"batch={batch}", "model=tiny_llada"])
    assert read == [["model=tiny_llama"], ["model=tiny_llada"]]
    assert sorted(asked) == ["batch", "model"]


def test_a_bad_group_is_raised_as_hydra_raises_it(composer: Composer) -> None:
    with pytest.raises(HydraException, match="lama"):
        composer(["model=lama"])
