"""Score stored texts again: `python -m benchmark.rescore OUTPUT_DIR judge=... encoder=...`."""

from crossover.interrupt import leaving_when_interrupted


def main() -> None:
    """Run the program, which takes a moment to import."""
    with leaving_when_interrupted():
        from benchmark.cli.rescore import main as run

    run()


if __name__ == "__main__":
    main()
