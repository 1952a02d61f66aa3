"""Measure autoregressive and masked-diffusion language models the same way."""

import sys
from pathlib import Path

# `python -m benchmark` searches the working folder first: a user's analysis.py or torch.py there is not to be imported.
if sys.argv[:1] == ["-m"] and not sys.flags.safe_path and Path(sys.path[0]).resolve() != Path(__path__[0]).parent:
    del sys.path[0]
