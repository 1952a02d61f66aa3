"""The report's first screen: the answer in a few lines, the map, how sure both are, and what they are of."""
