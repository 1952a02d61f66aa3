"""The base of all packages: records, errors for users, and output to the terminal."""

__version__ = "0.1.0"
