"""What the map of break-even is made of, measured."""
