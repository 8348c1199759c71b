"""What is written beside the questions: programs of other harnesses, alone in their folder."""
