"""Ways of executing a model's forward passes, behind two small interfaces: a canvas's, and a cache's."""
