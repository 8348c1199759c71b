"""Workers held against people: published moments of labor supply, and the same of any workers."""
