"""SLURM: its states, its submission, the signals that it sends a job."""
