"""The command line: its entrance, its help, its messages."""
