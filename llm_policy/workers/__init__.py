"""Workers who are language models, and their tax years."""
