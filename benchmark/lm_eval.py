"""`python -m benchmark.lm_eval`: lm-evaluation-harness's own command line, which then knows `--model crossover`."""

from crossover.errors import UserError
from crossover.harness_hook import register
from crossover.terminal import end_with

HELP = "the extra `tasks` installs it: pip install 'crossover-benchmark[tasks]'"


def main() -> None:
    """Run the harness."""
    try:
        from lm_eval.__main__ import cli_evaluate
    except ImportError as error:
        raise SystemExit(f"lm-evaluation-harness cannot be imported ({error}): {HELP}") from error
    register()
    try:
        cli_evaluate()
    except UserError as error:
        end_with(str(error))


if __name__ == "__main__":
    main()
