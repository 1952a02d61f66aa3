"""The machine: what it is, what it does meanwhile, and what that means for a sample."""
