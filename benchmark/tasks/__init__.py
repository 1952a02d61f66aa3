"""Prompts whose answers are known: the rules that find an answer in a text, chat templates, examples."""
