"""The base of all packages: records, errors for users, and output to the terminal."""
