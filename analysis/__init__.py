"""From records to tables, parity, figures and the report: knows neither torch nor Hydra nor models."""

import sys
from pathlib import Path

# `python -m analysis` searches the working folder first: a user's crossover.py or random.py there is not to be run.
if sys.argv[:1] == ["-m"] and not sys.flags.safe_path and Path(sys.path[0]).resolve() != Path(__path__[0]).parent:
    del sys.path[0]
