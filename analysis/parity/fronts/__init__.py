"""Parity between fronts: which runs make them, where each arm is read, and what the fronts say."""
