"""Crossover's plugins, found by Hydra because they lie in `hydra_plugins`."""
