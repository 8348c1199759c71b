"""The best schedule."""
