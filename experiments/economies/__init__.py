"""Economies of users: their files, their data, and what they make of flags."""
