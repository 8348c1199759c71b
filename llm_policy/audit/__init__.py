"""The same question in many ways."""
