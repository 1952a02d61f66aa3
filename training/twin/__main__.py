"""`python -m training.twin`: from the novels to the tiny twin and its card."""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from training.text import read_corpus
from training.twin.pipeline import evaluate, make
from training.twin.settings import FULL, Twin, shorten

ASSETS = Path(__file__).parents[2] / "benchmark" / "assets"


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m training.twin", description=__doc__)
    best = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", choices=("cpu", "cuda"), default=best)
    parser.add_argument("--output", type=Path, help=f"folder in which tiny_twin is made ({ASSETS})")
    parser.add_argument("--limit-s", type=float, help="end the training after so many seconds, its schedule shortened")
    parser.add_argument("--batch-tokens", type=int, help=f"positions of a batch ({FULL.schedule.batch_tokens:,})")
    parser.add_argument("--eager", action="store_true", help="do not compile the layers (on a CPU they never are)")
    parser.add_argument("--draws", type=int, help=f"maskings of the held-out novel ({FULL.bound_draws})")
    parser.add_argument("--prompts", type=int, help=f"documents that are continued ({FULL.prompts})")
    parser.add_argument("--chapters", type=int, help="of the held-out novel, for the likelihood (all)")
    parser.add_argument("--temperatures", type=float, nargs="+", help="of the texts that are judged")
    parser.add_argument("--card", metavar="MACHINE", help="train nothing: write the card of weights trained on MACHINE")
    parser.add_argument("--quick", action="store_true", help="a few tiny batches: a test that all runs; needs --output")
    options = parser.parse_args(arguments)
    if options.quick and options.output is None:
        parser.error(
            "--quick trains a model that is of no use, and it would replace the trained one: give --output FOLDER"
        )
    options.output = options.output or ASSETS
    return options


def recipe(options: argparse.Namespace) -> Twin:
    """The full recipe, changed as asked for."""
    twin = replace(
        FULL,
        limit_s=options.limit_s,
        bound_draws=options.draws or FULL.bound_draws,
        prompts=options.prompts or FULL.prompts,
        temperatures=tuple(options.temperatures or FULL.temperatures),
    )
    if options.batch_tokens is not None:
        twin = replace(twin, schedule=replace(twin.schedule, batch_tokens=options.batch_tokens))
    return shorten(twin) if options.quick else twin


def main(arguments: list[str] | None = None) -> None:
    """Run the recipe."""
    options = parse_arguments(arguments)
    corpus = read_corpus()
    compiled = options.device == "cuda" and not options.eager
    corpus = corpus.excerpt() if options.quick else corpus
    corpus = replace(corpus, held_out=corpus.held_out[: options.chapters])
    if options.card is None:
        make(recipe(options), corpus, ASSETS, options.output, options.device, compiled=compiled)
    else:
        evaluate(recipe(options), corpus, ASSETS, options.output, options.device, trained_on=options.card)


if __name__ == "__main__":
    main()
