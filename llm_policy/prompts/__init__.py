"""All words that a model reads."""
