"""Planners that are networks."""
