"""One run from top to bottom, in whatever process it was given to."""
