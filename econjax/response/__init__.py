"""What workers do: exact best responses, the equilibrium they form, choices among a few hours."""

from econjax.response.discrete import grid_response, logit_probabilities, logit_response
from econjax.response.rational import Equilibrium, best_response, equilibrium

__all__ = [
    "Equilibrium",
    "best_response",
    "equilibrium",
    "grid_response",
    "logit_probabilities",
    "logit_response",
]
