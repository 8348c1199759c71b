"""Run directories, and their beginning, resumption and replay."""
