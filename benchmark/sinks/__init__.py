"""Where records go: first the journal on disk, then whoever else wants them."""
