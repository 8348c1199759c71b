from collections import Counter

import jax
import numpy as np
import pytest

from llm_policy.answers.elicitation import Asker
from llm_policy.answers.reading import SATISFIED_ANSWER, as_column, satisfied_in, schema
from llm_policy.engines.base import Choices, EngineError, Prompt
from llm_policy.engines.requests import ChoiceRequest, TextRequest
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.engines.wrappers.tally import Tallied, Tally

N = 10
KEY = jax.random.key(0)
PROMPTS = [Prompt("Are you satisfied?", str(i)) for i in range(N)]
CODES = ("a", "b", "c", "d")
ASKED = ChoiceRequest(PROMPTS, CODES)


class Asked(ScriptedEngine):
    """Answers `say(asker, time)`, with `time` from 1, and keeps who was asked in each batch."""

    def __init__(self, say):
        self.batches = []
        super().__init__(lambda prompt: say(int(prompt.personal), len(self.batches)))

    def complete(self, prompts, schema, **options):
        self.batches.append([int(prompt.personal) for prompt in prompts])
        return super().complete(prompts, schema, **options)


class Scores(ScriptedEngine):
    """Finds the options as likely as `chance` says."""

    def __init__(self, chance, leaked=0.0):
        super().__init__(str)
        self.chance, self.leaked = np.asarray(chance, float), leaked

    def choose(self, prompts, options):
        logprob = np.log(np.broadcast_to(self.chance, (len(prompts), len(options))))
        tokens = np.ones(len(prompts), int)
        return Choices(logprob, np.broadcast_to(self.leaked, len(prompts)), tokens, 0 * tokens)


def asker(chance, leaked=0.0, **limits):
    return Asker(Tallied(Scores(chance, leaked)), **limits)


def clear(i, time=1):
    return f'{{"satisfied": "{"yes" if i % 2 else "no"}"}}'


def silent(*dumb, until=99):
    """Return a script in which askers `dumb` mumble until asked for the `until`-th time."""
    return lambda i, time: "well" if i in dumb and time < until else clear(i)


def write(say, prompts=PROMPTS, **limits):
    engine, tally = Asked(say), Tally()
    asker = Asker(Tallied(engine, tally), **limits)
    request = TextRequest(prompts, schema(SATISFIED_ANSWER), max_tokens=16)
    said, known = as_column(asker.write(request, satisfied_in))
    return said.tolist(), known.tolist(), engine.batches, (tally.asked, tally.read)


def test_answers_land_where_they_were_asked_for():
    assert write(clear) == ([0, 1] * 5, [True] * N, [list(range(N))], (N, N))


def test_whoever_is_not_understood_is_asked_again_alone():
    said, known, batches, tally = write(silent(7, 2, until=2))
    assert (said, known) == ([0, 1] * 5, [True] * N)
    assert batches == [list(range(N)), [2, 7]]
    assert tally == (N + 2, N)


def test_each_of_those_asked_again_may_be_understood_at_another_time_or_never():
    said, known, batches, tally = write(
        lambda i, time: "{" if (i == 2 and time < 2) or i == 7 else clear(i)
    )
    assert batches == [list(range(N)), [2, 7], [7]]
    assert known == [i != 7 for i in range(N)]
    assert said == [0 if i == 7 else i % 2 for i in range(N)]
    assert tally == (N + 3, N - 1)


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_attempts_bound_how_often_anyone_is_asked(attempts):
    *_, batches, tally = write(silent(4), attempts=attempts)
    assert batches == [list(range(N)), *[[4]] * (attempts - 1)]
    assert tally == (N + attempts - 1, N - 1)


def test_too_many_left_out_are_an_error_that_says_how_many_and_shows_one():
    with pytest.raises(EngineError) as error:
        write(lambda i, time: clear(i) if time == 3 and i == N - 1 else silent(1, 2, 3, 9)(i, time))
    for told in (
        "30% of the workers' answers",
        "after 3 attempts (at most 20%)",
        "'well'",
        "follows a schema",
    ):
        assert told in str(error.value)


@pytest.mark.parametrize(
    ("share", "dumb"), [(0.0, 0), (0.1, 1), (0.3, 3), (0.4, 4), (0.7, 7), (0.9, 9)]
)
def test_the_stated_share_may_be_left_out_and_not_one_more(share, dumb):
    _, known, *_ = write(silent(*range(dumb)), most_unread=share, attempts=1)
    assert sum(known) == N - dumb
    with pytest.raises(EngineError):
        write(silent(*range(dumb + 1)), most_unread=share, attempts=1)


def test_all_may_be_left_out_only_if_that_is_stated():
    said, known, *_ = write(silent(*range(N)), most_unread=1.0)
    assert (said, known) == ([0] * N, [False] * N)
    with pytest.raises(EngineError, match=r"100% .* \(at most 99%\)"):
        write(silent(*range(N)), most_unread=0.99)


def test_nobody_is_asked_nothing():
    assert write(clear, []) == ([], [], [], (0, 0))


def test_codes_are_drawn_with_the_probabilities_that_the_model_gives():
    count, chance = 4_000, np.array([0.1, 0.2, 0.3, 0.4])
    prompts = [Prompt("", "")] * count
    request = ChoiceRequest(prompts, CODES)
    places, known, leaked, logprob = asker(chance).choose(KEY, request, np.arange(count))
    np.testing.assert_allclose(np.exp(logprob), np.tile(chance, (count, 1)))
    found = Counter(places.tolist())
    for place, share in enumerate(chance):
        assert abs(found[place] / count - share) < 4.5 * (share * (1 - share) / count) ** 0.5
    assert known.all()
    assert not leaked.any()


def test_a_draw_is_the_keys_and_the_askers_and_nobody_elses():
    model = asker(np.full(4, 1 / 4))

    def draw(workers, key=KEY):
        request = ChoiceRequest([PROMPTS[i] for i in workers], CODES)
        return model.choose(key, request, np.array(workers)).places.tolist()

    whole = draw(range(N))
    for few in ([4], [9, 2, 5], [3, 7]):
        assert draw(few) == [whole[i] for i in few]
    assert draw(range(N), jax.random.key(1)) != whole


def test_whoever_says_nothing_of_the_options_is_not_understood_and_not_asked_again():
    leaked = np.where(np.arange(N) == 6, 1.0, 0.999)
    model = asker(np.full(4, 1 / 4), leaked, most_leaked=1.0)
    _, known, found, _ = model.choose(KEY, ASKED, np.arange(N))
    assert known.tolist() == [i != 6 for i in range(N)]
    np.testing.assert_array_equal(found, leaked)
    assert (model.tally.asked, model.tally.read) == (N, N - 1)
    with pytest.raises(EngineError, match=r"30% .* as a choice .* on none of the options") as error:
        asker(np.full(4, 1 / 4), np.arange(N) < 3).choose(KEY, ASKED, np.arange(N))
    assert "attempts" not in str(error.value)


def test_at_most_half_may_leak():
    leaked = np.where(np.arange(N) == 6, 0.51, 0.5)
    model = asker(np.full(4, 1 / 4), leaked)
    _, known, found, _ = model.choose(KEY, ASKED, np.arange(N))
    assert known.tolist() == [i != 6 for i in range(N)]
    np.testing.assert_array_equal(found, leaked)
    assert (model.tally.asked, model.tally.read) == (N, N - 1)
    why = "more than 50% of the probability is on none of the options"
    assert model.tally.reasons == {why: 1}


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"attempts": 0}, "got 0 attempts, 0.2 and 0.5"),
        ({"most_unread": 1.5}, "got 3 attempts, 1.5 and 0.5"),
        ({"most_unread": -0.1}, "shares from 0 to 1 .* -0.1"),
        ({"most_unread": float("nan")}, "nan"),
        ({"most_leaked": 1.5}, "got 3 attempts, 0.2 and 1.5"),
    ],
)
def test_limits_that_are_none_are_errors(limits, told):
    with pytest.raises(ValueError, match=told):
        Asker(Tallied(Asked(clear)), **limits)
