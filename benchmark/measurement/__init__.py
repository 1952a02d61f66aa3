"""Warm-up, timed samples, peaks, profiles, and whether the agreed work was done."""
