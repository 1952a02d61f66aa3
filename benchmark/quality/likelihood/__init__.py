"""The likelihood that a model itself gives to held-out text, as it samples and by bounds."""
