"""Triton kernels. Only CUDA devices need them, and not every machine has Triton: they are imported where they run."""
