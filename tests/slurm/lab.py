"""A throw-away SLURM on this machine: `python -m tests.slurm.lab start FOLDER`, and `stop FOLDER`.

Four virtual nodes, each a slurmd of its own; munge with a key of its own; accounting through slurmdbd and MariaDB.
Everything lies in one folder, and listens at the address of this machine's own name alone: 127.0.0.1 or 127.0.1.1 on
most.
"""

import argparse
import getpass
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import psutil

from tests.slurm.processes import belongs, keepers_of, kill, pid_in, until
from tests.slurm.settings import (
    CGROUPS,
    NODES,
    Ports,
    Settings,
    cgroup_conf,
    gres_conf,
    prolog,
    slurm_conf,
    slurmdbd_conf,
)

PROGRAMS = {
    "munged": "munge",
    "slurmctld": "slurmctld",
    "slurmd": "slurmd",
    "sbatch": "slurm-client",
    "slurmdbd": "slurmdbd",
    "mariadbd": "mariadb-server",
    "mariadb-install-db": "mariadb-server",
}
"""What the lab starts, and the Debian package that it comes in."""

SYSTEM = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


def missing() -> list[str]:
    """The command that installs what the lab needs and this machine lacks."""
    lacking = sorted({package for program, package in PROGRAMS.items() if shutil.which(program, path=SYSTEM) is None})
    return [f"apt-get install -y --no-install-recommends {' '.join(lacking)}"] if lacking else []


class Lab:
    """A running SLURM; its nodes can be stopped and started again."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.folder
        self._children: list[subprocess.Popen[bytes]] = []

    @classmethod
    def start(cls, folder: Path, *, accounting: bool = True) -> "Lab":
        """Make and start everything; all of it is stopped again when that fails."""
        lab = cls(_settings(folder, accounting=accounting))
        lab._write()
        try:
            lab._munge()
            if accounting:
                lab._account()
            lab._run("slurmctld")
            for node in NODES:
                lab.start_node(node)
            until("its nodes are up", lab._is_up)
        except BaseException:
            lab.stop()
            raise
        return lab

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs so that sbatch and the others speak to this lab."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": SYSTEM}

    def command(self, *words: str, timeout: float = 30.0) -> str:
        """The output of a SLURM command."""
        done = subprocess.run(
            words, env=os.environ | self.environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def start_node(self, node: str) -> None:
        """Start a node's slurmd."""
        self._run("slurmd", "-N", node)

    def stop_node(self, node: str, *, jobs: bool) -> None:
        """Kill a node's slurmd; with its `jobs`, as if its power had gone, or without, as if its network had."""
        daemon = pid_in(self.folder / "run" / f"slurmd.{node}.pid")
        processes = [psutil.Process(daemon)] if daemon and psutil.pid_exists(daemon) else []
        if jobs:
            ours = [each for each in psutil.process_iter() if belongs(each, node, self.folder)]
            processes += [*keepers_of(ours), *ours]  # keepers first: nobody is left to report how a job ended
        kill(processes)

    def node_is_up(self, node: str) -> bool:
        """Whether the controller gives it jobs."""
        return self.command("sinfo", "-h", "-n", node, "-p", "main,spare", "-o", "%T").strip() in {
            "idle",
            "mixed",
            "allocated",
        }

    def start_again(self, job: str) -> None:
        """Wait until a job is queued again, and spare it the two minutes that SLURM lets such jobs wait."""
        until(f"{job} is queued again", lambda: self.states(job).get(job) == "PENDING", seconds=60)
        self.command("scontrol", "update", f"JobId={job}", "StartTime=now")

    def knows(self, job: str) -> bool:
        """Whether the controller still remembers a job."""
        try:
            return bool(self.states(job))
        except RuntimeError:
            return False

    def states(self, jobs: str) -> dict[str, str]:
        """The state of each job, or array task, that the controller still knows."""
        states: dict[str, str] = {}
        for line in self.command("scontrol", "-o", "show", "job", jobs).splitlines():
            entry = dict(word.split("=", 1) for word in line.split() if "=" in word)
            array, task = entry.get("ArrayJobId"), entry.get("ArrayTaskId")
            states[f"{array}_{task}" if array else entry["JobId"]] = entry["JobState"]
        return states

    def clear(self) -> None:
        """Cancel all jobs and wait until they are gone."""
        self.command("scancel", "-u", getpass.getuser(), timeout=5)
        until("its jobs are gone", lambda: not self.command("squeue", "-h"), seconds=8)

    def stop(self) -> None:
        """Cancel what runs and end every daemon of this lab, and no other."""
        with suppress(RuntimeError, subprocess.TimeoutExpired):
            self.clear()
        run = self.folder / "run"
        files = [*run.glob("slurmd.*.pid"), run / "slurmctld.pid", run / "slurmdbd.pid", run / "mariadbd.pid"]
        for file in [*files, self.folder / "munge" / "pid"]:
            pid = pid_in(file)
            if pid and psutil.pid_exists(pid):
                kill([psutil.Process(pid)], gently=True)
        for child in self._children:
            child.wait()

    def _is_up(self) -> bool:
        idle = self.command("sinfo", "-h", "-N", "-t", "idle,alloc,mix", "-o", "%N").split()
        return set(idle) == set(NODES)

    def _write(self) -> None:
        for name in ("run", "log", "state", "munge"):
            (self.folder / name).mkdir(parents=True)
        for name, text in (
            ("slurm.conf", slurm_conf(self.settings)),
            ("gres.conf", gres_conf()),
            ("slurmdbd.conf", slurmdbd_conf(self.settings)),
            *([("cgroup.conf", cgroup_conf())] if self.settings.cgroups else []),
        ):
            (self.folder / name).write_text(text)
        self.settings.prolog.write_text(prolog(self.settings))
        self.settings.prolog.chmod(0o755)
        (self.folder / "slurmdbd.conf").chmod(0o600)
        (self.folder / "munge" / "key").write_bytes(secrets.token_bytes(128))
        (self.folder / "munge" / "key").chmod(0o400)
        (self.folder / "lab.json").write_text(json.dumps(asdict(self.settings), default=str))

    def _munge(self) -> None:
        index = self.folder / "munge"
        index.chmod(0o711)
        options = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        self._run("munged", "--force", *(f"--{option}={index / name}" for option, name in options.items()))

    def _account(self) -> None:
        """MariaDB, then slurmdbd, then the cluster and an account for whoever runs this."""
        data, user = self.folder / "mariadb", getpass.getuser()
        options = ("--no-defaults", f"--datadir={data}", f"--user={user}")
        self._run("mariadb-install-db", *options, "--skip-test-db", "--auth-root-authentication-method=normal")
        endpoint = f"--socket={self.folder}/run/mariadb.socket"
        self._spawn(
            *("mariadbd", *options, endpoint, f"--pid-file={self.folder}/run/mariadbd.pid", "--skip-name-resolve"),
            *(f"--port={self.settings.ports.database}", "--bind-address=127.0.0.1"),
            *("--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900", "--innodb-flush-log-at-trx-commit=0"),
        )
        client = ("mariadb", "--no-defaults", endpoint, "--user=root")
        sql = (
            "CREATE DATABASE slurm_acct_db;"
            f"CREATE USER slurm@'127.0.0.1' IDENTIFIED BY '{self.settings.password}';"
            "GRANT ALL ON slurm_acct_db.* TO slurm@'127.0.0.1';"
        )
        until("the database answers", lambda: self._succeeds(*client, "--execute=SELECT 1"))
        self._run(*client, f"--execute={sql}")
        self._run("slurmdbd")
        until("accounting answers", lambda: self._succeeds("sacctmgr", "-n", "list", "cluster"))
        for entity in (("cluster", "lab"), ("account", "dev", "cluster=lab"), ("user", user, "account=dev")):
            self._run("sacctmgr", "-n", "-i", "add", *entity)

    def _run(self, program: str, *arguments: str) -> None:
        """Run a program to its end; a daemon's end is when it has gone to the background."""
        log = self.folder / "log" / f"{program}.out"
        with log.open("a") as out:
            done = subprocess.run(
                [program, *arguments], env=os.environ | self.environment, stdout=out, stderr=out, check=False
            )
        if done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}: {log.read_text()[-2000:]}")

    def _spawn(self, program: str, *arguments: str) -> None:
        """Start a program that does not go to the background by itself."""
        with (self.folder / "log" / f"{program}.out").open("a") as out:
            child = subprocess.Popen(
                [program, *arguments],
                env=os.environ | self.environment,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._children.append(child)

    def _succeeds(self, *words: str) -> bool:
        environment = os.environ | self.environment
        return subprocess.run(words, env=environment, capture_output=True, check=False).returncode == 0


def _settings(folder: Path, *, accounting: bool) -> Settings:
    controller, accounts, database, *nodes = _free_ports(3 + len(NODES))
    return Settings(
        folder=folder,
        host=socket.gethostname().partition(".")[0],
        address=socket.gethostbyname(socket.gethostname()),
        user=getpass.getuser(),
        ports=Ports(controller=controller, accounting=accounts, database=database, nodes=tuple(nodes)),
        password=secrets.token_hex(16),
        accounting=accounting,
        cgroups=os.geteuid() == 0 and CGROUPS.is_dir() and os.access(CGROUPS, os.W_OK),
        first_job=1 + 10_000 * secrets.randbelow(6000),
    )


def _free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("", 0)) for _ in range(count)]
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def main(arguments: Sequence[str]) -> None:
    """Start a lab and say how to use it, or stop it."""
    parser = argparse.ArgumentParser(prog="python -m tests.slurm.lab", description="A throw-away SLURM.")
    parser.add_argument("verb", choices=("start", "stop"))
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="all of it lies there; new for start")
    options = parser.parse_args(arguments)
    folder = options.folder.absolute()
    if options.verb == "start":
        if lacking := missing():
            sys.exit(f"SLURM is not here: {lacking[0]}")
        if folder.exists():
            sys.exit(f"{folder} is there already: give a new folder")
        lab = Lab.start(folder)
        print("\n".join(f"export {name}={value}" for name, value in lab.environment.items() if name != "PATH"))
        return
    if not (folder / "lab.json").is_file():
        sys.exit(f"{folder} holds no lab: give the folder that one was started in")
    stored = json.loads((folder / "lab.json").read_text())
    stored |= {"folder": folder, "ports": Ports(**stored["ports"])}
    Lab(Settings(**stored)).stop()


if __name__ == "__main__":
    main(sys.argv[1:])
