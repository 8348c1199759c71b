"""Known formulas that the small language model imitates, with no claim about human behavior."""
