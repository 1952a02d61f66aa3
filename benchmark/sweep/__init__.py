"""A whole grid: planned, checked, launched, shown."""
