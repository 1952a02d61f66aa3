"""Break-even in the report: its table, its sentences, the cells of the map."""
