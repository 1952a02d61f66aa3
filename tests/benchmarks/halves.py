"""Which half of a comparison is asked for: the CPU's, the GPU's, or all that this machine can."""

import argparse
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Halves:
    """What to run, beside the other options that were given."""

    cpu: bool
    gpu: bool
    options: argparse.Namespace


def halves(parser: argparse.ArgumentParser, words: list[str] | None = None) -> Halves:
    """Read the command line, to which `--only` is added; exits with 2 where a GPU is asked for and there is none."""
    parser.add_argument("--only", choices=("cpu", "gpu"), help="one half; without it, all that this machine can")
    options = parser.parse_args(words)
    has_gpu = torch.cuda.is_available()
    if options.only == "gpu" and not has_gpu:
        parser.error("--only gpu needs a CUDA GPU, and PyTorch finds none here: leave it out, or run it elsewhere")
    return Halves(cpu=options.only != "gpu", gpu=has_gpu and options.only != "cpu", options=options)
