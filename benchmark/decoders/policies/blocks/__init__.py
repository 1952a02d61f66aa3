"""Policies that came with block diffusion: SDAR's, and those of LLaDA2 and LLaDA2.1."""
