"""From hidden states to tokens: the output head, the noise of sampling, and the scores that positions are ranked by."""
