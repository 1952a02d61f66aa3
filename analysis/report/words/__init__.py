"""What was found, in words: numbers, sentences on parities and fronts, and what their intervals rest on."""
