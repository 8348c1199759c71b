"""Known formulas that the small language model imitates; they make no claim about human behavior."""
