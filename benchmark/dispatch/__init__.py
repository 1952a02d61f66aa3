"""Points of a sweep handed to processes and SLURM jobs, and the records that must come back."""
