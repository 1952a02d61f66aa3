"""Sentences, tables, figures, and the page that holds them."""
