"""`python -m analysis`: one module a command."""
