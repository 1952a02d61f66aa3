"""Shapes whose work is counted: those of the 8B pair, and a small one to count by hand."""

from dataclasses import replace

from benchmark.roofline.work import (
    Shape,
)

LLADA = Shape(
    layers=32,
    hidden=4096,
    intermediate=12288,
    heads=32,
    kv_heads=32,
    head_dim=128,
    vocabulary=126464,
    parameter_bytes=2,
)
LLAMA = replace(LLADA, intermediate=14336, kv_heads=8, vocabulary=128256)
SMALL = Shape(layers=2, hidden=8, intermediate=12, heads=4, kv_heads=2, head_dim=2, vocabulary=10, parameter_bytes=4)
