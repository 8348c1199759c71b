"""Planners who are language models."""
