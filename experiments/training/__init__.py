"""How the small model is made: examples of its formulas, tokens, training, what it learned."""
