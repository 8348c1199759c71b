"""Optimal taxes: formulas, fixed points, and bounds over all schedules."""
