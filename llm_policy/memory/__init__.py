"""What workers and planners remember."""
