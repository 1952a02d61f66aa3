"""Quality of the tokens that were timed."""
