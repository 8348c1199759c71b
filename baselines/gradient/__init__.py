"""Planners that follow gradients."""
