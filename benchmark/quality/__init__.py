"""Quality of the very tokens that were timed."""
