"""The lab's configuration files: four nodes of one host, fake A100s, two partitions of different rank."""

from dataclasses import dataclass
from pathlib import Path

NODES = ("n1", "n2", "n3", "n4")
CPUS = 2
MEMORY_MB = 6000
GPUS = ("/dev/zero", "/dev/full")
"""Devices that every Linux has and no job uses: SLURM hands them out as GPUs."""

CGROUPS = Path("/sys/fs/cgroup/memory")
"""The kernel's memory controller, first version: with it, too much memory ends in a real out-of-memory kill."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where the daemons of one lab listen, on this machine alone."""

    controller: int
    accounting: int
    database: int
    nodes: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What one lab is made of.

    Attributes:
        host, address: this machine's name, and what that stands for: SLURM's daemons listen there, where they are
            told not to listen everywhere.
        cgroups: whether the kernel ends jobs that take too much memory.
        first_job: the id of its first job. The kernel's groups are named after ids, and several labs may run at once.
    """

    folder: Path
    host: str
    address: str
    user: str
    ports: Ports
    password: str
    accounting: bool
    cgroups: bool
    first_job: int

    @property
    def munge(self) -> Path:
        """The socket of the lab's own munge."""
        return self.folder / "munge" / "socket"

    @property
    def prolog(self) -> Path:
        """The program that each node runs before a job."""
        return self.folder / "prolog"

    @property
    def launches_fail(self) -> Path:
        """The file with which every launch fails."""
        return self.folder / "launches-fail"


def prolog(lab: Settings) -> str:
    """What each node runs before a job: it fails while a file says so, as on a node with a broken file system."""
    return f"#!/bin/sh\n[ ! -e '{lab.launches_fail}' ]\n"


def slurm_conf(lab: Settings) -> str:
    """All that slurmctld, slurmd and the commands read. Waits are short, so that faults are found in seconds."""
    folder, ports = lab.folder, lab.ports
    nodes = "\n".join(
        f"NodeName={name} NodeHostname={lab.host} NodeAddr={lab.address} Port={port} CPUs={CPUS} CoresPerSocket={CPUS}"
        f" RealMemory={MEMORY_MB} Gres=gpu:a100:{len(GPUS)} State=UNKNOWN"
        for name, port in zip(NODES, ports.nodes, strict=True)
    )
    return f"""\
ClusterName=lab
SlurmctldHost={lab.host}({lab.address})
SlurmUser={lab.user}
SlurmdUser={lab.user}
AuthType=auth/munge
AuthInfo=socket={lab.munge}
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd.%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd.%n.log
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPort={ports.controller}
SlurmctldTimeout=30
SlurmdTimeout=10
InactiveLimit=0
KillWait=3
OverTimeLimit=0
MinJobAge={600 if lab.accounting else 2}
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,defer_batch
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
MaxArraySize=5001
MaxJobCount=20000
FirstJobId={lab.first_job}
SlurmdParameters=config_overrides
GresTypes=gpu
Prolog={lab.prolog}
{_tracking(lab)}
{_accounting(lab)}
DefMemPerCPU=1024
{nodes}
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=3
PartitionName=urgent Nodes=n1,n2 MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
PartitionName=spare Nodes=n3,n4 MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=3
PartitionName=spare_urgent Nodes=n3,n4 MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


def _tracking(lab: Settings) -> str:
    if lab.cgroups:
        return "ProctrackType=proctrack/cgroup\nTaskPlugin=task/cgroup\nJobAcctGatherType=jobacct_gather/linux"
    return (
        "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nJobAcctGatherType=jobacct_gather/linux\n"
        "JobAcctGatherParams=OverMemoryKill\nJobAcctGatherFrequency=task=1"
    )


def _accounting(lab: Settings) -> str:
    if not lab.accounting:
        return "AccountingStorageType=accounting_storage/none"
    return (
        f"AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost={lab.address}\n"
        f"AccountingStoragePort={lab.ports.accounting}\nAccountingStoragePass={lab.munge}\n"
        "AccountingStorageTRES=gres/gpu\nAccountingStorageEnforce=limits"
    )


def slurmdbd_conf(lab: Settings) -> str:
    """The accounting daemon's configuration."""
    return f"""\
AuthType=auth/munge
AuthInfo=socket={lab.munge}
DbdHost=localhost
DbdAddr={lab.address}
DbdPort={lab.ports.accounting}
CommunicationParameters=NoInAddrAny
SlurmUser={lab.user}
LogFile={lab.folder}/log/slurmdbd.log
PidFile={lab.folder}/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={lab.ports.database}
StorageUser=slurm
StoragePass={lab.password}
StorageLoc=slurm_acct_db
"""


def gres_conf() -> str:
    """Two devices a node that pass for A100s."""
    return "".join(f"Name=gpu Type=a100 File={device}\n" for device in GPUS)


def cgroup_conf() -> str:
    """Memory is constrained; everything else is left as it is."""
    return (
        "CgroupPlugin=cgroup/v1\nCgroupMountpoint=/sys/fs/cgroup\nConstrainRAMSpace=yes\nConstrainSwapSpace=no\n"
        "ConstrainCores=no\nConstrainDevices=no\n"
    )
