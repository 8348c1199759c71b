"""A network that is fitted to recorded workers, to plan with its gradient."""
