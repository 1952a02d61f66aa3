"""What `--help` prints. Hydra's own help looks through every group of every plugin and takes more than a second."""

from dataclasses import fields, is_dataclass
from pathlib import Path

from benchmark.config.convert import CONF
from benchmark.config.schema import Config

EXAMPLES = """\
Examples
  python -m benchmark                                     one grid point of the tiny pair
  python -m benchmark sweep=demo                          the tiny pair, 12 grid points
  python -m benchmark sweep=parity                        the fewest steps that reach the baseline, by bisection
  python -m benchmark -m model=tiny_llama,tiny_llada steps=4,8,16,32,64 batch=1,8
  python -m benchmark -m model=llada,llama steps=32,64 batch=1,8 hardware=a100
  python -m benchmark --cfg job                           show the configuration, run nothing
  python -m benchmark.rescore outputs encoder=minilm      score stored texts again, generate nothing
  python -m benchmark.sync outputs                        bring MLflow to the state of the records
  python -m benchmark.status outputs --follow             what is done, running, queued, failed
  python -m analysis outputs                              the table of what has been measured
  python -m analysis report outputs                       the answer, with figures, as one page

--hydra-help lists the options of Hydra, which reads the command line."""


def usage() -> str:
    """The groups with their names, the keys with their defaults and meaning, examples."""
    return "\n".join(
        [
            "Crossover measures when a diffusion language model beats an autoregressive one.",
            "",
            "Choose from a group with GROUP=NAME",
            *(f"  {group.name}: {', '.join(_names(group))}" for group in _groups()),
            "",
            "Set a value with KEY=VALUE; with -m, several values KEY=A,B make a sweep",
            *(f"  {line}" for line in _values()),
            "",
            "Set a value inside a group likewise",
            *(f"  {line}" for line in _inside()),
            "",
            EXAMPLES,
        ]
    )


def _groups() -> list[Path]:
    return sorted(folder for folder in CONF.iterdir() if folder.is_dir() and folder.name != "hydra")


def _names(group: Path) -> list[str]:
    return sorted(file.stem for file in group.glob("*.yaml"))


def _values() -> list[str]:
    """The top-level values of config.yaml, with the comments that explain them."""
    lines = (CONF / "config.yaml").read_text(encoding="utf-8").splitlines()
    keys = tuple(f"{entry.name}:" for entry in fields(Config))
    return [line for line in lines if line.startswith(keys)]


def _inside() -> list[str]:
    """The keys of each group, a line a group."""
    groups = {entry.name: getattr(Config(), entry.name) for entry in fields(Config)}
    return [
        ", ".join(f"{name}.{inner.name}" for inner in fields(group))
        for name, group in groups.items()
        if is_dataclass(group)
    ]
