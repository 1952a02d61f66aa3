"""Records for the commands: from folders and from MLflow, thousands of them in two processes."""
