"""Which runs may be compared, and from how many steps on diffusion reaches the baseline."""
