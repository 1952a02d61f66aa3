"""Measure autoregressive and masked-diffusion language models the same way."""

__version__ = "0.1.0"
