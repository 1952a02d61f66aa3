"""Helpers that know nothing of benchmarks: files, logs, progress, deadlines."""
