"""How the small model is made: examples from its formulas, tokens, training, and what it learned."""
