"""Populations: distributions of income, samples of them, and calibration to a law."""
