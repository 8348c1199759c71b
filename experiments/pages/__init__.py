"""A run as a page: figures, tables, and what was asked and answered, in one file."""
