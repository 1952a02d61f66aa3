"""The command lines of every program of the benchmark: entrances, help, messages."""
