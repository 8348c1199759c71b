"""Figures of the LLM Economist."""
