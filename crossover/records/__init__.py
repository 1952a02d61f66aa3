"""Runs and their records: the data that the benchmark, which writes records, shares with the analysis."""
