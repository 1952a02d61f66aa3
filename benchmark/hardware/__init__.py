"""The machine: its facts, what it does during a sample, and the verdict on that."""
