"""Planners on many economies."""
