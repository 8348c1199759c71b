"""Commands on economy files: write one, and describe the people it makes."""
