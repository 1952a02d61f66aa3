"""Ways of generating text: each takes prompts and returns exactly the output tokens asked for."""
