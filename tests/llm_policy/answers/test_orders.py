import numpy as np
import pytest

from llm_policy.answers.orders import average_over_orders, balanced_orders


@pytest.mark.parametrize("askers", [0, 1, 4, 5, 7, 10, 23, 120])
@pytest.mark.parametrize("options", [1, 2, 5, 6])
def test_every_option_stands_at_every_place_as_often_as_any_other_or_once_less(askers, options):
    orders = balanced_orders(askers, options)
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(range(options), (askers, 1)))
    times = np.array([np.bincount(place, minlength=options) for place in orders.T])
    assert times.max() - times.min() <= (askers % options > 0)


def test_who_stands_before_whom_is_balanced_too():
    orders = balanced_orders(20, 5)
    place = np.argsort(orders, axis=1)
    for one in range(5):
        for other in set(range(5)) - {one}:
            assert np.sum(place[:, one] < place[:, other]) == 10


def test_an_average_is_of_the_probabilities_that_each_option_was_given():
    rng = np.random.default_rng(0)
    orders = balanced_orders(10, 5).reshape(2, 5, 5)
    meant = np.log(rng.dirichlet(np.ones(5), (3, 2, 5)))
    listed = np.take_along_axis(meant, np.broadcast_to(orders, meant.shape), axis=-1)
    np.testing.assert_allclose(
        np.exp(average_over_orders(listed, orders)), np.exp(meant).mean(axis=2)
    )


def test_one_order_changes_nothing():
    logprob = np.log(np.random.default_rng(1).dirichlet(np.ones(5), (4, 1)))
    found = average_over_orders(logprob, np.arange(5)[None, None])
    np.testing.assert_array_equal(found, logprob[:, 0])
