"""Personas beside published figures."""
