"""What is read from a model's answers, and asking for them."""
