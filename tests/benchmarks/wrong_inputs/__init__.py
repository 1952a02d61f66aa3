"""Five hundred wrong command lines, each tried in one process."""
