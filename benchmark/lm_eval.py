"""`python -m benchmark.lm_eval`: lm-evaluation-harness's own command line, which then knows `--model crossover`."""

from crossover.errors import first_line
from crossover.harness_hook import register
from crossover.outlet import ending_when_unwritable
from crossover.terminal import ending_in_one_line

HELP = "the extra `tasks` installs it: pip install 'crossover-benchmark[tasks]'"


def main() -> None:
    """Run the harness."""
    try:
        from lm_eval.__main__ import cli_evaluate
    except ImportError as error:
        raise SystemExit(f"lm-evaluation-harness cannot be imported ({error}): {HELP}") from error
    register()
    with ending_in_one_line(_complaint):
        cli_evaluate()


def _complaint(error: Exception) -> str | None:
    """The line for wrong arguments of the model, or a task that the harness does not know; None for any other error."""
    from benchmark.cli.messages import complaint  # Hydra, which the harness's help does without

    if isinstance(error, ValueError) and str(error).startswith(("Tasks not found", "No tasks specified")):
        return f"{first_line(error)}: lm_eval ls tasks lists those that there are, and --include_path FOLDER adds yours"
    return complaint(error)


if __name__ == "__main__":
    with ending_when_unwritable():
        main()
