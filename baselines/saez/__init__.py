"""Planners that iterate the formula of Saez."""
