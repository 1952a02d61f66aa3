"""Policies of Dream, and of Fast-dLLM for it: schedules of the whole output, and what a shift of logits asks for."""
