"""`python -m training`: from the novels to tokenizers, prompts, three models and their card."""

import argparse
from pathlib import Path

import torch

from training.pipeline import make
from training.settings import FULL, shorten
from training.text import read_corpus

ASSETS = Path(__file__).parents[1] / "benchmark" / "assets"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    best = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", choices=("cpu", "cuda"), default=best)
    parser.add_argument("--output", type=Path, help=f"folder of the assets ({ASSETS})")
    parser.add_argument("--quick", action="store_true", help="a few tiny batches: a test that all runs; needs --output")
    options = parser.parse_args(arguments)
    if options.quick and options.output is None:
        parser.error(
            "--quick trains models that are of no use, and they would replace the trained ones: give --output FOLDER"
        )
    options.output = options.output or ASSETS
    return options


def main(arguments: list[str] | None = None) -> None:
    """Run the recipe."""
    options = parse_arguments(arguments)
    corpus = read_corpus()
    if options.quick:
        make(shorten(FULL), corpus.excerpt(), options.output, options.device)
    else:
        make(FULL, corpus, options.output, options.device)


if __name__ == "__main__":
    main()
