"""Workers and planners that are language models, asked in batches."""
