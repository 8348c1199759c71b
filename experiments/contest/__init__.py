"""A surrogate's gradient against other planners of language-model workers."""
