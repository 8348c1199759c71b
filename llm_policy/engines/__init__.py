"""What can answer prompts."""
