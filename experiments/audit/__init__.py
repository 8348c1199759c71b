"""Whether a model answers the same question alike."""
