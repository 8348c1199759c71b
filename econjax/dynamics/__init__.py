"""Years in a row: policies of workers, simulations, tax years, an environment."""
