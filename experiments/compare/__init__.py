"""Planners on the same economy."""
