"""Texts keep to the facts, models that do not are counted, and shares reach the last worker."""

import itertools
import json
import re
from collections import Counter

import jax
import numpy as np
import pytest
from scipy import stats

from econjax import gb2
from llm_policy.engines.base import EngineError
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.personas.draw import describe, draw_personas
from llm_policy.personas.roles import ROLE_SHARES, ROLES
from llm_policy.personas.text import TRAITS, roles, templated, traits, written

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def personas():
    return draw_personas(KEY, gb2(40))


def portrait(text):
    return json.dumps({"description": text})


def test_the_template_is_the_description(personas):
    people = templated(personas)
    assert list(people.texts) == describe(personas)
    assert people.personas is personas
    assert not people.written.any()


def test_a_model_turns_the_facts_into_a_text(personas):
    seen = []

    def answer(prompt):
        seen.append(prompt)
        return portrait(
            f"You rise early, and you earn {re.search(r'[$][0-9,]+', prompt.personal)[0]}."
        )

    people = written(ScriptedEngine(answer), personas)
    assert people.written.all()
    assert people.personas is personas
    for text, income in zip(people.texts, personas.income, strict=True):
        assert text == f"You rise early, and you earn ${income:,.0f}."
    assert {prompt.shared for prompt in seen} == {seen[0].shared}
    assert [prompt.personal for prompt in seen] == describe(personas)


@pytest.mark.parametrize(
    "bad",
    [
        "You are tired.",
        '{"text": "You are tired."}',
        '{"description": 3}',
        '{"description": "You are',
        portrait(""),
        portrait("She is tired."),
        portrait("Yours truly."),
        portrait("You earn $1,234,567,891 a year."),
        portrait("You are tired. " * 50),
        '{"description": "You \ud800"}',
        '{"a": ' + "[" * 5000 + "]" * 5000 + "}",
    ],
)
def test_a_text_that_cannot_be_used_is_asked_for_again_and_never_replaced(personas, bad):
    asked = Counter()

    def answer(prompt):
        asked[prompt.personal] += 1
        return bad

    people = written(ScriptedEngine(answer), personas, attempts=2)
    assert not people.written.any()
    assert list(people.texts) == describe(personas)
    assert set(asked.values()) <= {2, 4, 6}  # twice for each worker of the same description


def test_only_those_without_a_text_are_asked_again(personas):
    turn = itertools.count()
    engine = ScriptedEngine(lambda prompt: portrait("You work.") if next(turn) % 4 else "hm")
    people = written(engine, personas, attempts=2)
    assert (
        people.written.sum() == 40 - 3
    )  # 10 of 40 fail, then the first, fifth and ninth of those 10
    assert next(turn) == 40 + 10
    for text, own, template in zip(people.texts, people.written, describe(personas), strict=True):
        assert text == ("You work." if own else template)


def test_white_space_is_made_even_and_fences_are_no_obstacle(personas):
    engine = ScriptedEngine(lambda _: f"```json\n{portrait('You  work' + chr(10) + 'a lot.')}\n```")
    assert set(written(engine, personas).texts) == {"You work a lot."}


def test_an_engine_that_fails_is_an_error(personas):
    def refuse(prompt):
        raise EngineError("no server")

    with pytest.raises(EngineError, match="no server"):
        written(ScriptedEngine(refuse), personas)


def test_the_shipped_roles_have_shares_that_sum_to_1():
    assert set(ROLES) == set(ROLE_SHARES)
    assert len(ROLES) == 13
    assert sum(ROLE_SHARES.values()) == pytest.approx(1, abs=1e-12)
    assert all(text.startswith("You ") and not re.search(r"\d|\?", text) for text in ROLES.values())


@pytest.mark.parametrize("n", [1, 7, 100, 1001])
def test_every_role_has_its_share_to_the_last_worker(n):
    people = roles(KEY, n)
    count = Counter(people.texts)
    assert len(people.texts) == len(people.written) == n
    assert people.personas is None
    assert all(abs(count[ROLES[name]] - n * share) < 1 for name, share in ROLE_SHARES.items())


def test_a_hundred_workers_have_whole_per_cents():
    count = Counter(roles(KEY, 100).texts)
    assert {name: count[text] / 100 for name, text in ROLES.items()} == pytest.approx(ROLE_SHARES)


def test_the_order_of_roles_is_the_keys():
    assert roles(KEY, 50).texts == roles(KEY, 50).texts
    assert roles(KEY, 50).texts != roles(jax.random.key(1), 50).texts


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"nurse": 0.5, "teacher": 0.4}, r"sum to 1, not 0\.9: divide each by their sum"),
        ({"nurse": 0.5, "pilot": 0.5}, "no role 'pilot'; the roles are nurse, teacher"),
        ({"nurse": 1.5, "teacher": -0.5}, r"0 or more; 'teacher' has -0\.5"),
        ({"nurse": float("nan")}, "0 or more; 'nurse' has nan"),
        ({}, "sum to 1, not 0"),
    ],
)
def test_shares_that_are_none_are_refused(shares, message):
    with pytest.raises(ValueError, match=message):
        roles(KEY, 10, shares=shares)


def test_traits_have_their_means_and_spreads():
    """The share of words is that of the normal beyond 1/3 and 2/3."""
    people = traits(KEY, gb2(20_000))
    for trait in TRAITS:
        normal = stats.norm(trait.mean, trait.sd)
        for words, expected in ((trait.low, normal.cdf(1 / 3)), (trait.high, normal.sf(2 / 3))):
            found = np.mean([words in text for text in people.texts])
            assert found == pytest.approx(expected, abs=5 * (expected / 20_000) ** 0.5)


def test_traits_contradict_nobodys_skill():
    people = traits(KEY, gb2(50))
    np.testing.assert_array_equal(people.personas.skill, np.asarray(gb2(50).skill, float))
    for text, facts in zip(people.texts, describe(people.personas), strict=True):
        assert text.startswith(f"{facts} By temperament you are ")
        assert text.endswith(".")
