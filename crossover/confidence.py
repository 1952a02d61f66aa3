"""The confidence level of every interval, in the benchmark and in the analysis."""

LEVEL = 0.95
