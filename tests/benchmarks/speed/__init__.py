"""Both arms of 8B timed against the baseline and the floor."""
