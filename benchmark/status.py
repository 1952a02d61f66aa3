"""Show the progress of sweeps: `python -m benchmark.status [OUTPUT_DIR] [--all] [--follow] [--reconcile]`."""

from crossover.interrupt import leaving_when_interrupted
from crossover.one_thread import compute_with_one_thread
from crossover.outlet import ending_when_unwritable


def main() -> None:
    """Run the program, which takes a moment to import."""
    compute_with_one_thread()
    with ending_when_unwritable():
        with leaving_when_interrupted():
            from benchmark.cli.status import main as run

        run()


if __name__ == "__main__":
    main()
