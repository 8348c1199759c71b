"""Experiments: what runs, prints, plots and writes files."""
