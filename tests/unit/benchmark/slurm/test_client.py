"""SLURM's commands are stood in for by scripts that print what the real ones printed."""

from pathlib import Path

import pytest

from benchmark.slurm.client import SchedulerDownError, Slurm, parse_job
from benchmark.slurm.job_state import UNKNOWN, JobState
from benchmark.util.ranges import expand
from crossover.records.record import FailureKind

TASKS = """\
JobId=9 ArrayJobId=8 ArrayTaskId=0 JobName=x JobState=COMPLETED Reason=None ExitCode=0:0 NodeList=n1
JobId=10 ArrayJobId=8 ArrayTaskId=1 JobName=x JobState=FAILED Reason=NonZeroExitCode ExitCode=137:0 NodeList=n2
JobId=11 ArrayJobId=8 ArrayTaskId=2 JobName=x JobState=RUNNING Reason=None ExitCode=0:0 NodeList=n3
JobId=8 ArrayJobId=8 ArrayTaskId=3-4,6%2 JobName=x JobState=PENDING Reason=Resources ExitCode=0:0 NodeList=(null)
"""
FORGOTTEN = 'echo "slurm_load_jobs error: Invalid job id specified" >&2; exit 1'
DOWN = 'echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1'


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is first on the path: what lies there answers."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    say(tmp_path, "sacct", DOWN)
    return tmp_path


def say(folder: Path, command: str, script: str) -> None:
    file = folder / command
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def show(text: str) -> str:
    return f"cat <<'END'\n{text}END"


def names(states: dict[str, JobState]) -> dict[str, str]:
    return {job: state.name for job, state in states.items()}


def test_every_task_of_an_array_has_its_state_those_that_wait_share_a_line(answers: Path) -> None:
    say(answers, "scontrol", show(TASKS))
    states = Slurm().states(["8_0", "8_1", "8_2", "8_3", "8_4", "8_6"])
    assert names(states) == {
        "8_0": "COMPLETED",
        "8_1": "FAILED",
        "8_2": "RUNNING",
        "8_3": "PENDING",
        "8_4": "PENDING",
        "8_6": "PENDING",
    }
    assert [state.is_over for state in states.values()] == [True, True, False, False, False, False]
    assert states["8_3"].is_waiting
    assert states["8_1"].nodes == "n2"


def test_one_question_is_asked_for_all_jobs_of_an_array(answers: Path) -> None:
    say(answers, "scontrol", f"echo asked >> {answers}/log; {show(TASKS)}")
    Slurm().states([f"8_{task}" for task in (0, 1, 2, 3, 4, 6)])
    assert (answers / "log").read_text() == "asked\n"


def test_what_the_controller_forgot_the_accounting_may_remember(answers: Path) -> None:
    say(answers, "scontrol", FORGOTTEN)
    say(answers, "sacct", show("8_0|CANCELLED by 0|0:15|n1\n8_1|NODE_FAIL|0:0|n2\n8_2|RUNNING|0:0|n3\n"))
    states = Slurm().states(["8_0", "8_1", "8_2"])
    assert names(states) == {"8_0": "CANCELLED", "8_1": "NODE_FAIL", "8_2": UNKNOWN}
    assert all(state.is_over for state in states.values())


def test_without_accounting_a_forgotten_job_is_over_and_nobody_knows_how(answers: Path) -> None:
    say(answers, "scontrol", FORGOTTEN)
    (state,) = Slurm().states(["8_0"]).values()
    assert (state.name, state.is_over) == (UNKNOWN, True)
    assert state.failure[0] is FailureKind.lost


def test_a_controller_that_does_not_answer_says_nothing_about_jobs(answers: Path) -> None:
    say(answers, "scontrol", DOWN)
    with pytest.raises(SchedulerDownError, match="Unable to contact"):
        Slurm().states(["8_0"])


GONE = 'echo "slurm_load_jobs error: Invalid job id specified"'
WARNED = (
    f'echo "slurm_load_jobs: warning: a plugin is old" >&2; {GONE} >&2; exit 1',
    f'echo "site: warning"; {GONE}; exit 1',
    f'echo "site: warning" >&2; {GONE}; exit 1',
    f'echo "site: warning"; {GONE}',
)


@pytest.mark.parametrize("script", WARNED)
def test_a_warning_before_a_forgotten_job_is_no_silence_of_the_controller(answers: Path, script: str) -> None:
    say(answers, "scontrol", script)
    say(answers, "sacct", show("sacct: warning: slow | very slow\n8_0|COMPLETED|0:0|n1\n"))
    assert names(Slurm().states(["8_0", "8_1"])) == {"8_0": "COMPLETED", "8_1": UNKNOWN}


def test_lines_of_a_wrapper_around_the_facts_are_passed_over(answers: Path) -> None:
    say(answers, "scontrol", show(f"site: JobId=7 is not yours\n{TASKS}bye\n"))
    assert names(Slurm().states(["8_0", "8_2"])) == {"8_0": "COMPLETED", "8_2": "RUNNING"}


def test_an_answer_that_speaks_of_no_job_says_nothing_about_jobs(answers: Path) -> None:
    say(answers, "scontrol", "echo 'site: try again later'")
    with pytest.raises(SchedulerDownError, match="said nothing about job 8"):
        Slurm().states(["8_0"])


def test_the_line_that_speaks_of_an_error_is_told_rather_than_a_warning_before_it(answers: Path) -> None:
    say(answers, "scontrol", f'echo "site: warning" >&2; {DOWN}')
    with pytest.raises(SchedulerDownError, match="Unable to contact"):
        Slurm().states(["8_0"])


def test_a_job_is_of_a_sweep_when_its_output_or_its_script_lies_there(answers: Path) -> None:
    ours, other = Path("/shared/my sweep/logs"), Path("/shared/my sweep/logs2")
    say(answers, "scontrol", show(f"JobId=8 JobState=PENDING Command=/x StdErr=/x StdOut={ours}/8_log.out Power=\n"))
    assert Slurm().is_of("8", ours)
    assert not Slurm().is_of("8", other)
    say(answers, "scontrol", FORGOTTEN)
    assert not Slurm().is_of("8", ours)
    say(answers, "scontrol", DOWN)
    with pytest.raises(SchedulerDownError):
        Slurm().is_of("8", ours)


def test_a_job_that_waits_has_its_reason_and_the_time_since_it_was_queued(answers: Path) -> None:
    line = "JobId=8 JobState={} Reason=job_requeued_in_held_state SubmitTime=2026-01-01T00:00:00 ExitCode=0:0\n"
    say(answers, "scontrol", show(line.format("PENDING")))
    state = Slurm().states(["8"])["8"]
    assert state.waits_for() == "job requeued in held state: scontrol release {jobs}"
    assert state.queued_at is not None
    assert state.queued_at.isoformat().startswith("2026-01-01T00:00:00")
    say(answers, "scontrol", show(line.format("RUNNING")))
    assert Slurm().states(["8"])["8"].waits_for() is None, "what runs waits for nothing"


def test_a_refused_cancellation_is_told(answers: Path) -> None:
    say(answers, "scancel", DOWN)
    assert "Unable to contact" in (Slurm().cancel(["8"]) or "")
    say(answers, "scancel", "exit 0")
    assert Slurm().cancel(["8"]) is None


def test_the_largest_array_is_the_clusters(answers: Path) -> None:
    say(answers, "scontrol", show("MailProg = /bin/mail\nMaxArraySize            = 77\n"))
    assert Slurm().largest_array() == 77


@pytest.mark.parametrize(
    ("state", "kind", "word"),
    [
        (JobState(name="OUT_OF_MEMORY"), FailureKind.out_of_memory, "mem_gb"),
        (JobState(name="TIMEOUT"), FailureKind.timeout, "timeout_min"),
        (JobState(name="NODE_FAIL", nodes="n7"), FailureKind.node_lost, "n7 was lost"),
        (JobState(name="PREEMPTED"), FailureKind.preempted, "preempted"),
        (JobState(name="CANCELLED"), FailureKind.cancelled, "cancelled"),
        (JobState(name="FAILED", exit_status=137, nodes="n7"), FailureKind.killed, "SIGKILL"),
        (JobState(name="FAILED", exit_status=0, signal=9), FailureKind.killed, "SIGKILL"),
        (JobState(name="FAILED", exit_status=139), FailureKind.killed, "signal 11"),
        (JobState(name="FAILED", exit_status=97), FailureKind.error, "setup"),
        (JobState(name="FAILED", exit_status=1), FailureKind.error, "exit status 1"),
    ],
    ids=lambda value: value.name + str(value.exit_status or "") if isinstance(value, JobState) else "",
)
def test_a_job_that_left_no_record_ended_for_a_reason(state: JobState, kind: FailureKind, word: str) -> None:
    failure_kind, words = state.failure
    assert failure_kind is kind
    assert word in words


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("3", [3]), ("0-3", [0, 1, 2, 3]), ("1,4-5%2", [1, 4, 5]), ("0-6:3", [0, 3, 6]), ("N/A", [])],
)
def test_lists_of_tasks_are_read(text: str, numbers: list[int]) -> None:
    assert expand(text) == numbers


def test_a_line_of_facts_is_read() -> None:
    facts = parse_job("JobId=8 JobName=a b Reason=None ExitCode=0:9 NodeList=(null)")
    assert (facts["JobId"], facts["ExitCode"], facts["NodeList"]) == ("8", "0:9", "(null)")
