"""One run from top to bottom, in any process."""
