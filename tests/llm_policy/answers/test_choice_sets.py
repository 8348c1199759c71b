import re
from collections import Counter

import numpy as np
import pytest

from llm_policy.answers.choice_sets import legend, letters, numbers, probabilities
from llm_policy.answers.reading import HOURS
from llm_policy.engines.base import Prompt
from llm_policy.engines.scripted import ScriptedEngine

FEW = (0, 10, 20, 30)


def test_numbers_mean_themselves():
    assert numbers(FEW) == (FEW, ("0", "10", "20", "30"), None)
    assert numbers().values == HOURS


@pytest.mark.parametrize("values", [HOURS, FEW])
@pytest.mark.parametrize("times", [1, 2, 4])
def test_each_value_stands_at_each_letter_equally_often(values, times):
    choice_set = letters(times * len(values), values)
    assert choice_set.codes == tuple("ABCDEFGHIJK"[: len(values)])
    for place in range(len(values)):
        assert Counter(choice_set.order[:, place].tolist()) == dict.fromkeys(
            range(len(values)), times
        )
    assert all(sorted(order) == list(range(len(values))) for order in choice_set.order.tolist())


def test_each_value_is_listed_early_and_late_equally_often():
    """Over 22 workers each pair of hours stands in either order equally often."""
    place = np.argsort(letters(22).order, axis=1)
    for one in range(11):
        for other in range(one):
            assert np.sum(place[:, one] < place[:, other]) == 11


@pytest.mark.parametrize("reverse", [False, True])
def test_letters_mean_to_each_worker_what_its_order_says(reverse):
    choice_set = letters(30)
    for text, order in zip(legend(choice_set, reverse=reverse), choice_set.order, strict=True):
        said = re.findall(r"\b([A-K]) = (\d+) hours a week", text)
        meant = [
            (code, str(HOURS[place])) for code, place in zip(choice_set.codes, order, strict=True)
        ]
        assert said == (meant[::-1] if reverse else meant)


@pytest.mark.parametrize(
    "make", [lambda values: numbers(values), lambda values: letters(9, values)]
)
def test_probabilities_are_of_values_whatever_stands_for_them(make):
    """Each asker finds 20 hours likelier by half, and reads it where its own menu puts it."""
    choice_set = make(FEW)
    asked = np.array([1, 4, 7])
    texts = (
        ["", "", ""]
        if choice_set.order is None
        else [legend(choice_set, reverse=False)[i] for i in asked]
    )

    def likes(prompt, option):
        return 1.5 if option == "20" or f"{option} = 20 hours" in prompt.personal else 1.0

    engine = ScriptedEngine(str, likelihood=likes)
    found, leaked = probabilities(engine, [Prompt("", text) for text in texts], choice_set, asked)
    np.testing.assert_allclose(found, np.tile([1, 1, 1.5, 1], (3, 1)) / 4.5)
    assert not leaked.any()
