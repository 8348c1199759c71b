"""The rows of many runs in one file."""
