"""How the small model is made: lessons from its teachers, tokens, training, and what it learned."""
