"""Figures of one record, and intervals of many: bootstrap, latencies, crossings of curves."""
