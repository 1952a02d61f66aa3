"""Five hundred wrong command lines, tried in one process: `python -m tests.benchmarks.wrong_inputs`.

Each must end with exit code 2 and one line on stderr that begins with `error:`, with no traceback and no record.
"""

import contextlib
import io
import os
import random
import re
import shlex
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from pathlib import Path

from hydra.core.global_hydra import GlobalHydra

from benchmark.cli.main import main
from benchmark.config.convert import config_of
from benchmark.config.folder import options
from benchmark.config.schema import Key, groups, keys
from crossover.terminal import USAGE_ERROR

COUNT = 500
QUICK = ("tracking=none", "warmup=0", "repeats=1", "prompts.count=1", "judge=none", "hardware=cpu")
"""What makes a run short that should have been refused, where the wrong words leave it free."""
LONGEST = 1000
"""Characters of a line that a person still reads to its end."""

POINTS = """
steps=4|0|x|-3|1.5 batch=2|0|null length=64|1|{a:1} model=tiny_llama|nope temperature=1|-1|hot engine=eager|fast
seed=1|2147483648 judge=none|big profile=true|2 warmup=1|-1 rerun=none|some stopping.least=6|0
"""
"""Keys of a sweep, with a good value and wrong ones."""
OPTIONS = """
-x
--nope
--cfg nope
--cfg
-c jobs
--info nope
--config-name
--config-name nope
--config-dir nowhere
--config-path nowhere
-m --cfg job
--resolve
-m -r
--experimental-rerun nowhere
steps=4 -y batch=2
--multirun --nope steps=4
steps=4,x -m batch=2
--cfg job -p nope
-m --info all
--package
-cd
-z3
--steps 4
--steps=4
"""
"""Hydra's options, wrong or wanting."""
TOGETHER = """
hardware.device=cpu hardware.gpu=H100
hardware=a100 hardware.device=cpu
detach=true
-m detach=true steps=2,4
encoder.layer=3
likelihood.samples=4
likelihood.orders=4
likelihood=on likelihood.samples=3
stopping.least=-5 repeats=3
profile=2
strict=7
model.revision=main
judge.revision=main
judge=none judge.revision=main
encoder.revision=x
output_dir=
"output_dir=' '"
"output_dir='~/x'"
"output_dir='~'"
"sweep.name='[/x]'"
sweep.name=[/x]
sweep.name=../../esc
"sweep.name=''"
"sweep.name='a b'"
seed=2147483648
seed=9223372036854775808
-m output_dir=a,b
-m tracking=none,local
-m rerun=none,failed steps=2,4
-m pack=1,2
-m sweep.name=a,b
-m dry_run=true,false
hydra.job.chdir=true
-m hydra.job.chdir=true steps=2,4
attention=flash2 hardware=cpu
weights=random model=llada
model=llada
hardware=gpu
judge.device=cuda
length=1
length=3 prompt_fraction=0.01
encoder.checkpoint=./folder
hydra/launcher=isolated
hydra/launcher=nope
hydra/sweeper=nope
hydra.mode=nope
hydra.launcher.partition=x
hydra.nope=1
hydra/nope=1
-m hardware=local,isolated
hydra.sweeper.params=1 -m
-m hydra/launcher=crossover_slurm
hardware=a100 hydra.launcher.timeout_min=soon
hardware=a100 hydra.launcher.nope=1
tracking=server
hydra.run.dir=null
sweep=parity hydra.sweeper.metric=nope
sweep=parity hydra.sweeper.margin=x
hydra=nope
hydra/job_logging=nope
schema=1
defaults=[]
"""
"""Values that are right alone and wrong together, or that would change nothing."""
FILES = """
model.checkpoint=./nowhere
model.checkpoint=.
"model.checkpoint=''"
model.checkpoint=builtin:nope
prompts.source=./none.jsonl
"prompts.source=''"
prompts.source=.
prompts.source=builtin:nope
judge.checkpoint=./nowhere
"judge.checkpoint=''"
judge.checkpoint=builtin:tiny_llada
encoder.checkpoint=./none encoder.layer=1
encoder.checkpoint=builtin:tiny_judge encoder.layer=99
model=tiny_llama model.checkpoint=builtin:tiny_llada
output_dir=/dev/null/x
output_dir=/proc/x
weights=random model.architecture=./nowhere judge=none
tracking.uri=nope://x
"tracking.uri=''"
encoder.checkpoint=pypi:nope encoder.layer=1
weights=random model.architecture=builtin:nope judge=none
"""
"""Files and folders that are not there, or not what they should be."""


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """A wrong command line, and what is wrong with it."""

    kind: str
    words: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How the program ended."""

    code: object
    out: str
    err: str
    raised: str

    def faults(self, wrong: Wrong) -> list[str]:
        """What is not as it must be."""
        faults = {
            "traceback": bool(self.raised) or "Traceback" in self.err + self.out,
            f"exit code {self.code}": self.code != USAGE_ERROR,
            f"{self.err.count(chr(10))} lines": self.err.count("\n") != 1,
            "no 'error: '": not self.err.startswith("error: "),
            f"{len(self.err)} characters": len(self.err) > LONGEST,
            "does not name what was given": not any(_names(self.err, word) for word in wrong.words),
        }
        return [name for name, holds in faults.items() if holds]


def _names(err: str, word: str) -> bool:
    """Whether a complaint repeats the key of an override, its group or its value, or an option."""
    key, _, value = word.lstrip("+~").partition("=")
    parts = (part.strip("'\" ").lower() for part in (key, key.partition(".")[0], value))
    return any(part in err.lower() for part in parts if part)


def wrong_values(draw: random.Random) -> Iterator[Wrong]:
    """Every key with values of other types."""
    everywhere = ["{a:1}", "[1,2]", "${nope}", "${nope:1}"]
    for key in keys():
        kind, is_optional = key.kind, key.is_optional
        if key.name in {"sweep.id", "sweep.index"}:
            continue
        values = [*everywhere, *(["null"] if not is_optional and kind is not str else [])]
        if kind in {int, float}:
            values += ["abc", "''", "-7", "nan", "inf", "1_x", "0x"]
        if kind is int:
            values += ["1.5", "1e400"]
        if kind is bool:
            values += ["maybe", "2", "''"]
        if key.listed or issubclass(kind, StrEnum):
            values += ["nope", "''", "7", "AUTO"]
        for value in draw.sample(values, k=min(5, len(values))):
            yield Wrong(kind="value of another type", words=(f"{key.name}={value}",))


def typos(draw: random.Random) -> Iterator[Wrong]:
    """Keys and choices with a letter less, a letter more, or two in the wrong order."""
    known = {key.name for key in keys()} | set(groups())
    for key in keys():
        word = _typo(draw, key.name)
        if word not in known and "sweep." not in word:
            yield Wrong(kind="typo in a key", words=(f"{word}={_default(key)}",))
    for group, names in options().items():
        for name in names:
            word = _typo(draw, name)
            if word and word not in names:
                yield Wrong(kind="typo in a choice", words=(f"{group}={word}",))


def _typo(draw: random.Random, word: str) -> str:
    at = draw.randrange(1, len(word))
    return draw.choice([word[:at] + word[at + 1 :], word[:at] + word[at - 1] + word[at:], word + "x"])


def _default(key: Key) -> str:
    value = attrgetter(key.name)(config_of([]))
    return "null" if value is None else f"'{value}'"


def deleted_and_added(draw: random.Random) -> Iterator[Wrong]:
    """Keys and groups that are taken away, and keys that are not in the schema."""
    for key in keys():
        yield Wrong(kind="key taken away", words=(draw.choice([f"~{key.name}", f"~{key.name}={_default(key)}"]),))
        if draw.random() < 0.3:
            yield Wrong(kind="key added", words=(f"{draw.choice(['+', '++'])}{key.name}_new=1",))
    for group in options():
        yield Wrong(kind="group taken away", words=(f"~{group}",))
        for value in ("null", "{a:1}", "''", "[1]", "_llama3_8b", "_slurm", "${nope}"):
            yield Wrong(kind="no choice of a group", words=(f"{group}={value}",))


def grammar(draw: random.Random) -> Iterator[Wrong]:
    """Words that Hydra's grammar does not have."""
    forms = ["{}", "={}", "{}='1", "{}=[1", "{}={{a", "{}:3", "{}==", "{}=(1", "{}=1)", "--{}=4", "{}=~/x", "{}=a b'c"]
    names = ["steps", "batch", "output_dir", "prompts.source", "length"]
    for form in forms:
        for name in draw.sample(names, k=2):
            yield Wrong(kind="no override", words=(form.format(name),))


def sweeps(draw: random.Random) -> Iterator[Wrong]:
    """Grids with a wrong point, and grids without -m."""
    for line in POINTS.split():
        key, good, *wrong = re.split("[=|]", line)
        for value in wrong:
            before = draw.choice(["", f"{good},"])
            yield Wrong(kind="wrong point of a sweep", words=("-m", f"{key}={before}{value}"))
        yield Wrong(kind="several values without -m", words=(f"{key}={good},{wrong[0]}",))


def listed(kind: str, lines: str) -> Callable[[random.Random], Iterator[Wrong]]:
    """The family that a text lists, a command a line."""
    return lambda _: (Wrong(kind=kind, words=tuple(shlex.split(line))) for line in lines.strip().splitlines())


FAMILIES = (
    listed("file", FILES),
    listed("wrong together, or without effect", TOGETHER),
    listed("option", OPTIONS),
    sweeps,
    grammar,
    deleted_and_added,
    typos,
    wrong_values,
)


def generate(count: int) -> list[Wrong]:
    """So many wrong command lines, always the same."""
    draw = random.Random(13)
    made = [wrong for family in FAMILIES for wrong in family(draw)]
    return list(dict.fromkeys(made))[:count]


def run(wrong: Wrong) -> Ended:
    """Give a command line to the program in this process."""
    words = [*(extra for extra in QUICK if extra.partition("=")[0] not in " ".join(wrong.words)), *wrong.words]
    out, err, raised, code = io.StringIO(), io.StringIO(), "", 0
    sys.argv = ["benchmark", *words]
    GlobalHydra.instance().clear()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:  # noqa: BLE001 (whatever a user would see as a traceback)
            raised = traceback.format_exc()
    return Ended(code=code, out=out.getvalue(), err=err.getvalue(), raised=raised)


def table(results: list[tuple[Wrong, Ended, list[str]]]) -> Iterator[str]:
    """The tally by kind, then every fault, then every command with its line."""
    yield "# Wrong command lines\n"
    good = sum(not faults for _, _, faults in results)
    yield f"{good} of {len(results)} wrong command lines ended with exit code 2 and one line that names what was given."
    yield "`python -m tests.benchmarks.wrong_inputs > docs/results/wrong-inputs.md` tries them again.\n"
    yield "| what is wrong | command lines | as they must |\n|---|---|---|"
    for kind in dict.fromkeys(wrong.kind for wrong, _, _ in results):
        own = [faults for wrong, _, faults in results if wrong.kind == kind]
        yield f"| {kind} | {len(own)} | {sum(not faults for faults in own)} |"
    yield "\n## Each command line and what was said\n\n```"
    for wrong, ended, faults in results:
        said = ended.err.strip() or ended.raised.strip().rpartition("\n")[2] or ended.out.strip()[:200]
        yield f"$ {' '.join(wrong.words)}\n{'' if not faults else f'FAULT ({chr(44).join(faults)}) '}{said}"
    yield "```"


def measure() -> int:
    """Try them all in an empty folder, and print the page."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for wrong in generate(COUNT):
            print(*wrong.words, file=sys.stderr, flush=True)
            ended = run(wrong)
            faults = ended.faults(wrong)
            if list(Path(folder).glob("**/records/*.json")):
                faults.append("a record")
                for file in Path(folder).glob("**/records/*.json"):
                    file.unlink()
            results.append((wrong, ended, faults))
        os.chdir("/")
    for line in table(results):
        print(line)
    return sum(bool(faults) for _, _, faults in results)


if __name__ == "__main__":
    sys.exit(1 if measure() else 0)
