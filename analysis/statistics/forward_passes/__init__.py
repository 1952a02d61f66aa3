"""What single forward passes took, what those that were not timed take, and generations made of them."""
