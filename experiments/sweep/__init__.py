"""Many economies at once: a design over their fields, and the best schedule of each."""
