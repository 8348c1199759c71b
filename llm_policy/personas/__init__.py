"""People who resemble the United States' labor force."""
