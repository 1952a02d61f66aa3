"""A real SLURM on one machine, and what a sweep must survive on it."""
