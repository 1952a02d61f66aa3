"""Both arms of 8B against what everybody else reports and against the chip: `python -m tests.benchmarks.speed`.

One call on any CUDA GPU with 80 GB prints the table: ours (engine=compiled), the baseline (engine=published, a port of
the published loop, and transformers' generate), and the floor that the GPU's two measured ceilings allow, in one
process, with the same random weights in bfloat16 and the same attention kernel. The published loop chooses from logits
in the type of the weights; it is timed with float32 logits besides, as many harnesses have them. Then what supports it:
the baseline under transformers' usual attention, our layers against transformers' own, the share of equal tokens, what
marking phases costs, and how the phases add up. `--quick` leaves out the large shapes, `--part` all but one part.
"""

import argparse
import gc
import sys
from dataclasses import replace

import torch

from benchmark.engines.factory import PassFactory
from benchmark.models.checkpoint import ASSETS
from benchmark.models.loading import random_model
from benchmark.roofline.ceilings import measure_ceilings
from tests.benchmarks.speed.cases import CASES, CUDA, FOLDERS
from tests.benchmarks.speed.equal_tokens import say_tokens
from tests.benchmarks.speed.machine import say_machine, sustained_flop_per_s
from tests.benchmarks.speed.support import say_support
from tests.benchmarks.speed.table import say_case, say_header


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave out the large shapes")
    parser.add_argument("--part", choices=("table", "support", "tokens"), help="one part alone")
    options = parser.parse_args()
    quick, parts = options.quick, {options.part} if options.part else {"table", "support", "tokens"}
    if not torch.cuda.is_available():
        sys.exit("this needs a CUDA GPU, and PyTorch finds none here")
    ceilings, sustained = measure_ceilings(CUDA, torch.bfloat16), sustained_flop_per_s()
    say_machine(ceilings, sustained)
    if "table" in parts:
        say_header()
    for family in FOLDERS if parts & {"table", "support"} else ():
        factory = PassFactory(random_model(ASSETS / FOLDERS[family], family, dtype=torch.bfloat16, device=CUDA))
        for case in CASES:
            if "table" in parts and case.family is family and not (quick and case.large):
                say_case(case, factory, replace(ceilings, matrix_flop_per_s=sustained))
        if "support" in parts:
            say_support(family, factory)
        del factory
        torch.compiler.reset()
        gc.collect()
        torch.cuda.empty_cache()
    if "tokens" in parts:
        say_tokens()


if __name__ == "__main__":
    main()
