"""Planners that are not language models."""
