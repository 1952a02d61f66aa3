"""The schema of `conf/` and its way out, to a Run and to Settings."""
