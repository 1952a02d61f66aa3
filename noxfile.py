"""The checks: `nox` runs all, `nox -s tests` one, `nox -R -s tests -- -k diffusion` part of one again."""

import os
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.sessions = ["lint", "types", "tests", "programs", "recipe", "docs", "smoke", "slurm"]
nox.options.error_on_missing_interpreters = True

CONSTRAINTS = ("-c", "constraints.txt")
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""Threads that wait for each other make small models many times slower while the machine does something else too."""
ONE_ORDER = {"PYTHONHASHSEED": "0"}
"""Two workers share the tests by their order, which a set of cases would change from process to process."""
CHECKOUT = Path(".nox/checkout").absolute()
"""The environment of all sessions that check the checkout itself: PyTorch and MLflow are installed once."""
CODE = ("crossover", "benchmark", "analysis", "hydra_plugins", "training", "tests", "site", "noxfile.py")


@nox.session
def lint(session: nox.Session) -> None:
    """Style, complexity, likely mistakes."""
    session.install(*CONSTRAINTS, "ruff")
    session.run("ruff", "format", "--check", *CODE)
    session.run("ruff", "check", *CODE)


@nox.session(default=False)
def checkout(session: nox.Session) -> None:
    """Install the checkout and all that its checks need; the sessions that need it run it first."""
    session.install(*CONSTRAINTS, "-e", ".[dev,server,training]")


@nox.session(venv_backend="none", requires=["checkout"])
def types(session: nox.Session) -> None:
    """Types, strictly."""
    run_in_checkout(session, "mypy")


@nox.session(venv_backend="none", requires=["checkout"])
def tests(session: nox.Session) -> None:
    """Unit tests; `-- -n 0` has no workers, for a debugger."""
    run_tests(session, "not process and not gpu and not slurm and not recipe")


@nox.session(venv_backend="none", requires=["checkout"])
def programs(session: nox.Session) -> None:
    """The programs as a user starts them, each in a process of its own."""
    run_tests(session, "process and not gpu and not slurm and not recipe")


@nox.session(venv_backend="none", requires=["checkout"])
def recipe(session: nox.Session) -> None:
    """The recipe of the tiny models from text to card, with two layers and two steps each."""
    run_in_checkout(session, "pytest", "-m", "recipe", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation as a site in .nox/site; a broken link fails. `-- linkcheck` tries those to elsewhere too."""
    session.install(*CONSTRAINTS, "sphinx", "furo", "myst-parser")
    session.run("python", "site/gather.py", ".nox/site-pages")
    for builder in ("html", *session.posargs):
        strictly, where = ("-q", "-W", "--keep-going"), (".nox/site-pages", ".nox/site")
        session.run("sphinx-build", *strictly, "-c", "site", "-b", builder, *where, env={"PYTHONPATH": "."})


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


@nox.session(default=False)
def package(session: nox.Session) -> None:
    """What a release publishes, in dist/: a wheel and a source distribution, checked as PyPI checks them."""
    session.install(*CONSTRAINTS, "build", "twine")
    shutil.rmtree("dist", ignore_errors=True)
    session.run("python", "-m", "build", silent=True)
    session.run("twine", "check", "--strict", *map(str, Path("dist").iterdir()))


@nox.session(default=False, python=["3.11", "3.12", "3.13"], requires=["package"])
def release(session: nox.Session) -> None:
    """The wheel in an environment of its own, one for each supported Python: its commands answer, and it measures."""
    session.install(*CONSTRAINTS, *map(str, Path("dist").glob("*.whl")))
    with session.chdir(session.create_tmp()):
        session.run("crossover", "--version")
        session.run(
            "crossover", "steps=2", "warmup=1", "repeats=2", "prompts.count=1", "output_dir=outputs", env=ONE_THREAD
        )
        session.run("python", "-m", "analysis", "outputs")


@nox.session(venv_backend="none", requires=["checkout"])
def slurm(session: nox.Session) -> None:
    """Faults in the middle of sweeps, on a SLURM of its own; passed by where none is installed, but not by .ci/run."""
    run_in_checkout(session, "pytest", "-m", "slurm", "tests/slurm", "--durations=0", *session.posargs)


@nox.session(venv_backend="none", requires=["checkout"])
def gpu(session: nox.Session) -> None:
    """Tests that need a CUDA GPU; `nox -s gpu` on a machine that has one."""
    run_in_checkout(session, "pytest", "-m", "gpu", *session.posargs, settings={})


def run_in_checkout(session: nox.Session, program: str, *arguments: str, settings: dict[str, str] = ONE_THREAD) -> None:
    """Run a program of the environment that the session `checkout` has made."""
    programs = CHECKOUT / "bin"
    activated = {"VIRTUAL_ENV": str(CHECKOUT), "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    session.run(str(programs / program), *arguments, env=activated | settings, external=True)


def run_tests(session: nox.Session, marked: str) -> None:
    """Run the tests that are marked so, by two workers."""
    where = ("-m", marked, "-n", "2", "--dist", "worksteal")
    run_in_checkout(session, "pytest", *where, *session.posargs, settings=ONE_THREAD | ONE_ORDER)
