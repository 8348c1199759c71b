"""Schedules learned from one kind of workers, lived by another."""
