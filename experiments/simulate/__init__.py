"""Language-model workers through tax years."""
