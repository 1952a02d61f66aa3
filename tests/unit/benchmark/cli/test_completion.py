"""What may follow on a command line, and that real shells take it."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmark.cli.completion import candidates, completion
from benchmark.cli.misread import OPTIONS as KNOWN_OPTIONS
from benchmark.config.keys import groups, keys
from tests.paths import ROOT

WAIT_S = 60.0


def after(line: str) -> list[str]:
    return [each.text for each in candidates(f"crossover {line}")]


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("policy=thr", ["policy=threshold"]),
        ("-m policy.thr", ["policy.threshold="]),
        ("dry", ["dry_run="]),
        ("dry_run=", ["dry_run=true", "dry_run=false"]),
        ("judge.device=", ["judge.device=auto", "judge.device=cpu", "judge.device=cuda"]),
        ("-m model=tiny_llada,tiny_ll", ["model=tiny_llada,tiny_llama"]),
        ("steps=4 st", ["stopping.", "staleness=", "strict="]),
        ("--cfg ", ["job", "hydra", "all"]),
        ("--sh", ["--shell-completion"]),
        ("-sc install=f", ["install=fish"]),
        ("hyd", ["hydra."]),
        ("batch=", []),
        ("zzz", []),
        ("zzz=", []),
    ],
)
def test_a_word_is_completed(line: str, completed: list[str]) -> None:
    assert after(line) == completed


def test_every_key_group_and_option_is_offered() -> None:
    top, inside = set(after("")), [key.name for key in keys() if "." in key.name]
    assert {f"{key.name}=" for key in keys() if "." not in key.name} <= top
    assert {f"{name}=" for name in groups() if name != "stopping"} <= top
    for name in inside:
        assert f"{name}=" in after(name.partition(".")[0] + ".")
    assert set(KNOWN_OPTIONS) - {"--run", "--config-path", "--config-name", "--config-dir"} <= set(after("--"))


def test_a_path_is_completed_as_it_was_begun(tmp_path: Path) -> None:
    """Folders end with a slash, and hidden files are left out."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine.jsonl").touch()
    (tmp_path / ".mine").touch()
    begun = f"prompts.source={tmp_path}/"
    assert after(begun) == [f"{begun}mine/", f"{begun}mine.jsonl"]
    assert after(f"{begun}.") == [f"{begun}.mine"]
    assert after(f"{begun}nowhere/m") == []


def test_shells_that_can_show_it_hear_what_a_word_means() -> None:
    assert completion("query=bash", "crossover policy=thr") == "policy=threshold\n"
    answer = completion("query=fish", "crossover policy=thr") or ""
    assert answer.startswith("policy=threshold\tEvery open position")
    assert completion("query=zsh", "crossover hydra.job.n") is None


@contextmanager
def terminal(command: list[str], folder: Path) -> Iterator[int]:
    """A program on a terminal of its own; the terminal's descriptor."""
    number, descriptor = pty.fork()
    if not number:
        os.chdir(folder)
        os.environ.update(
            TERM="dumb", PS1="> ", HISTFILE="", PATH=f"{folder}:{os.environ['PATH']}", PYTHONPATH=str(ROOT)
        )
        os.execvp(command[0], command)
    try:
        yield descriptor
    finally:
        os.kill(number, 9)
        os.close(descriptor)
        os.waitpid(number, 0)


def seen(descriptor: int, wanted: str) -> str:
    """What a terminal shows, until it is what was wanted."""
    text, end = "", time.monotonic() + WAIT_S
    while wanted not in text and time.monotonic() < end:
        if select.select([descriptor], [], [], 0.1)[0]:
            text += os.read(descriptor, 65536).decode(errors="replace")
    return text


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A folder with the command `crossover`, as the installation makes it, and a file of prompts."""
    file = tmp_path / "crossover"
    file.write_text(f"#!{sys.executable}\nfrom benchmark.__main__ import main\nmain()\n")
    file.chmod(0o755)
    (tmp_path / "my prompts.jsonl").touch()
    return tmp_path


TYPED = [
    ("policy=thr\t", "policy=threshold"),
    ("-m model=tiny_llada,tiny_llam\t", "model=tiny_llada,tiny_llama"),
    ("prompts.source=my\t", "prompts.source=my\\ prompts.jsonl"),
    ("hydra.job.nu\t", "hydra.job.num="),
]


@pytest.mark.process
@pytest.mark.parametrize("shell", [["bash", "--norc", "-i"], ["zsh", "-f", "-i"]], ids=["bash", "zsh"])
def test_a_shell_completes_what_is_typed(shell: list[str], program: Path) -> None:
    """As docs/keys.md says to install it."""
    if shutil.which(shell[0]) is None:
        pytest.skip(f"{shell[0]} is not installed")
    with terminal(shell, program) as descriptor:
        os.write(descriptor, f'eval "$(crossover -sc install={shell[0]})"; echo read\\y\n'.encode())
        assert "ready" in seen(descriptor, "ready")
        for typed, completed in TYPED:
            os.write(descriptor, f"\x15crossover {typed}".encode())
            assert completed in seen(descriptor, completed)


@pytest.mark.process
def test_fish_completes_what_is_typed(program: Path) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    asking = "".join(f"complete -C 'crossover {typed.strip()}'\n" for typed, _ in TYPED)
    environment = os.environ | {
        "PATH": f"{program}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HOME": str(program),
    }
    command = ["fish", "-c", f"crossover -sc install=fish | source\n{asking}"]
    done = subprocess.run(command, cwd=program, env=environment, capture_output=True, text=True, check=True)
    completed = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert completed == [completed.replace("\\", "").removeprefix("-m ") for _, completed in TYPED]


@pytest.mark.process
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_forgets_it_again(shell: str, program: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    text = "".join(completion(f"{what}={shell}", "") or "" for what in ("install", "uninstall"))
    environment = os.environ | {"HOME": str(program)}
    done = subprocess.run([shell, "-c", text], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
