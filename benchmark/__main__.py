"""`python -m benchmark`."""

from crossover.interrupt import leaving_when_interrupted


def main() -> None:
    """Run the program, which takes a moment to import."""
    with leaving_when_interrupted():
        from benchmark.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
