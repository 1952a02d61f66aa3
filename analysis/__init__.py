"""From records to tables: knows records alone, neither torch nor Hydra nor models."""
