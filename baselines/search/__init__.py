"""Planners that learn from values alone."""
