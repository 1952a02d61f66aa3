"""A sweep has the launcher of its points, or none when they differ."""

import pytest

from crossover.errors import UserError
from hydra_plugins.crossover.choosing import OneLauncher
from tests.composition import composed


def seen(*points: tuple[str, ...]) -> OneLauncher:
    one = OneLauncher()
    for point in points:
        one.see(composed(*point, with_hydra=True).hydra)
    return one


@pytest.mark.parametrize(
    ("points", "launcher"),
    [
        ([("hardware=cpu", "model=tiny_llama"), ("hardware=gpu",)], "InlineLauncher"),
        ([("hardware=isolated",)], "IsolatedLauncher"),
        ([("hardware=local_gpus", "hardware.gpus='0,1'")], "LocalGpusLauncher"),
        ([("hardware=local", "hydra/launcher=isolated"), ("hardware=isolated", "hydra/launcher=isolated")], "Isolated"),
        ([("hardware=a100",), ("hardware=a100", "model=llama")], "SlurmLauncher"),
    ],
)
def test_points_of_one_launcher_get_it_whatever_was_chosen_before(points: list[tuple[str, ...]], launcher: str) -> None:
    configured = seen(*points).configured(composed("hardware=local", with_hydra=True))
    assert launcher in configured.hydra.launcher._target_


def test_points_of_two_launchers_are_refused_by_the_names_that_chose_them() -> None:
    with pytest.raises(
        UserError,
        match=r"^hardware=local starts its jobs with hydra/launcher=inline and hardware=isolated with"
        r" hydra/launcher=isolated: a sweep has one launcher, so give a command for each$",
    ):
        seen(("hardware=local",), ("hardware=isolated",))


def test_one_launcher_with_two_settings_is_refused_by_the_first_that_differs() -> None:
    with pytest.raises(UserError, match=r"hydra\.launcher\.timeout_min=120 and hardware=slurm_cpu with .*=30: a sweep"):
        seen(("hardware=a100",), ("hardware=slurm_cpu",))


def test_a_sweep_without_points_keeps_its_own_launcher() -> None:
    config = composed("hardware=isolated", with_hydra=True)
    assert OneLauncher().configured(config) is config
