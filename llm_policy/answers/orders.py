"""In which order options are listed, so that none gains by its place."""

import numpy as np
from jaxtyping import Float, Int
from scipy.special import logsumexp


def balanced_orders(askers: int, options: int) -> Int[np.ndarray, "askers options"]:
    """Return which option, from 0, stands at each place of each asker's list.

    The lists are the rotations of 0, 1, 2, ..., and in every second round of as many askers as
    options these rotations backwards. Every option stands at every place for as many askers as any
    other, or for one fewer where the askers are no multiple of the options.
    """
    turn = np.arange(askers)
    order = (np.arange(options)[None, :] + turn[:, None]) % max(options, 1)
    backwards = (turn // max(options, 1)) % 2 == 1
    order[backwards] = order[backwards, ::-1]
    return order


def average_over_orders(
    logprob: Float[np.ndarray, "*asked orders options"],
    orders: Int[np.ndarray, "*some orders options"],
) -> Float[np.ndarray, "*asked options"]:
    """Return the log of each option's mean probability over the orders that it was listed in.

    `logprob` is by place; `orders`, whose first axes may be missing or fewer, say which option
    stands there. It is what an order drawn at random gives: where every option stands at every
    place equally often, a model that goes by the place alone gives all options equal chances.
    """
    places = np.broadcast_to(np.argsort(orders, axis=-1), logprob.shape)
    meant = np.take_along_axis(logprob, places, axis=-1)
    return logsumexp(meant, axis=-2) - np.log(meant.shape[-2])
