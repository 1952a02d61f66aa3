"""From records to tables, parity, figures and the report: knows neither torch nor Hydra nor models."""
