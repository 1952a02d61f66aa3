"""The checks: `nox` runs all, `nox -s tests` one, `nox -R -s tests -- -k diffusion` part of one again."""

import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.10"
nox.options.sessions = ["lint", "types", "tests", "smoke", "slurm"]
nox.options.error_on_missing_interpreters = True

CONSTRAINTS = ("-c", "constraints.txt")
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""Threads that wait for each other make small models many times slower while the machine does something else too."""
CODE = ("crossover", "benchmark", "analysis", "hydra_plugins", "training", "tests", "noxfile.py")


@nox.session
def lint(session: nox.Session) -> None:
    """Style, complexity, likely mistakes."""
    session.install(*CONSTRAINTS, "ruff")
    session.run("ruff", "format", "--check", *CODE)
    session.run("ruff", "check", *CODE)


@nox.session
def types(session: nox.Session) -> None:
    """Types, strictly."""
    session.install(*CONSTRAINTS, "-e", ".[dev,training]")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Unit tests, and the program as a user starts it."""
    session.install(*CONSTRAINTS, "-e", ".[dev,training]")
    session.run("pytest", "-m", "not gpu and not slurm", *session.posargs, env=ONE_THREAD)


@nox.session
def smoke(session: nox.Session) -> None:
    """A sweep from an installed wheel, away from the checkout, checked for its records and MLflow runs."""
    session.install(*CONSTRAINTS, "build")
    wheels = Path(session.create_tmp())
    shutil.rmtree(wheels)
    session.run("python", "-m", "build", "--wheel", "--outdir", str(wheels), silent=True)
    session.install(*CONSTRAINTS, "--force-reinstall", "--no-deps", *map(str, wheels.glob("*.whl")))
    session.install(*CONSTRAINTS, *map(str, wheels.glob("*.whl")))
    check = Path("tests/smoke/check.py").absolute()
    with session.chdir(wheels):
        session.run(
            *("python", "-m", "benchmark", "-m", "model=tiny_llama,tiny_llada", "steps=2,4,100", "batch=1,2"),
            *("warmup=1", "repeats=2", "prompts.count=2", "output_dir=outputs"),
            env=ONE_THREAD,
        )
        session.run("python", str(check), "outputs")


@nox.session
def slurm(session: nox.Session) -> None:
    """Faults in the middle of sweeps, on a SLURM of its own; passed by where none is installed, but not by .ci/run."""
    session.install(*CONSTRAINTS, "-e", ".[dev,server]")
    session.run("pytest", "-m", "slurm", "tests/slurm", "--durations=0", *session.posargs, env=ONE_THREAD)


@nox.session
def gpu(session: nox.Session) -> None:
    """Tests that need a CUDA GPU; `nox -s gpu` on a machine that has one."""
    session.install(*CONSTRAINTS, "-e", ".[dev,training]")
    session.run("pytest", "-m", "gpu", *session.posargs)
