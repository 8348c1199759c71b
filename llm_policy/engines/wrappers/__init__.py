"""Engines around engines: each has the same protocol."""
