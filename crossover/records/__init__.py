"""What a run is and what it leaves behind: all that the benchmark, which writes records, and the analysis share."""
