"""Where records go: first the journal on disk, then MLflow."""
