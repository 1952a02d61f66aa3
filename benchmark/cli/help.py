"""What `--help` prints. Hydra's own help looks through every group of every plugin and takes more than a second."""

from collections.abc import Iterable

from benchmark.config.folder import options
from benchmark.config.keys import Key, keys

EXAMPLES = """\
Examples
  python -m benchmark                                     one grid point of the tiny pair
  python -m benchmark sweep=demo                          the tiny pair, 12 grid points
  python -m benchmark sweep=parity                        the fewest steps that reach the baseline, by bisection
  python -m benchmark sweep=report hardware=a100          the report's grid of the 8B pair; dry_run=true predicts it
  python -m benchmark -m model=tiny_llama,tiny_llada steps=4,8,16,32,64 batch=1,8
  python -m benchmark -m model=llada,llama steps=32,64 batch=1,8 hardware=a100
  python -m benchmark --cfg job                           show the configuration, run nothing
  python -m benchmark.rescore outputs encoder=minilm      score stored texts again, generate nothing
  python -m benchmark.sync outputs                        bring MLflow to the state of the records
  python -m benchmark.status outputs --follow             what is done, running, queued, failed
  python -m analysis outputs                              the table of what has been measured
  python -m analysis report outputs                       the answer, with figures, as one page

crossover -sc install=bash (or zsh, fish) prints what your shell needs to complete command lines: docs/keys.md.
--hydra-help lists the options of Hydra, which reads the command line."""


def usage() -> str:
    """The groups with their names, the keys with their defaults and meaning, examples."""
    offered = options()
    return "\n".join(
        [
            "Crossover measures when a diffusion language model beats an autoregressive one.",
            "",
            "Choose from a group with GROUP=NAME",
            *(f"  {name}: {', '.join(offered[name])}" for name in offered),
            "",
            "Set a value with KEY=VALUE; with -m, several values KEY=A,B make a sweep",
            *_lines(key for key in keys() if "." not in key.name),
            "",
            "Set a value inside a group likewise",
            *_lines(key for key in keys() if "." in key.name),
            "",
            EXAMPLES,
        ]
    )


def _lines(shown: Iterable[Key]) -> list[str]:
    """A line a key; where a file of its group gives the default, none is shown."""
    rows = [(f"{key.name}={as_typed(key.default)}", key.meaning) for key in shown]
    width = max(len(left) for left, _ in rows)
    return [f"  {left:{width}}  {meaning}" for left, meaning in rows]


def as_typed(value: object) -> str:
    """A value as a command line says it; nothing for one that a file of conf/ gives."""
    if value == "???":
        return ""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
