"""Lists of runs with factors and seeds, under one budget."""
