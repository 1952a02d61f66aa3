"""Ways of executing a model's forward passes, behind two small interfaces: one for a canvas, one for a cache."""
