"""Planners under constraints."""
