"""How sure every stated interval is, in measuring as in analysing."""

LEVEL = 0.95
