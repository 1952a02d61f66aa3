"""Crossover's plugins. Hydra finds them because they are in the package `hydra_plugins`."""
