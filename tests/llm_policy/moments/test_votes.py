"""Votes on a reform: planted attitudes and effects are recovered, who gains is exact."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import BracketSchedule, Economy, Population, Quasilinear, us_federal
from llm_policy.answers.elicitation import Asker
from llm_policy.engines.base import Unread
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.engines.wrappers.tally import tallied
from llm_policy.moments.measure import ALL, HIGH, LOW
from llm_policy.moments.referendum import (
    VoteShares,
    ask_votes,
    model_votes,
    votes_by_gain,
)
from llm_policy.moments.votes import (
    GAINS,
    LESS,
    LOSES,
    MORE,
    RISE,
    proposed_reform,
    vote_moments,
    voting_groups,
)

N = 400
KEY = jax.random.key(0)
LAW = us_federal(2024)
FAVOR = {GAINS: 0.6, LOSES: 0.3}
EFFECT = {"fairness": 0.08, "efficiency": -0.05}
EQUAL = np.full(N, 1 / N)


def reform_of(seed, agents=N, law=LAW):
    skill = np.random.default_rng(seed).lognormal(7, 0.7, agents)
    economy = Economy(population=Population(skill), preferences=Quasilinear(0.25))
    return proposed_reform(economy, law, np.full(agents, 40.0)), skill * 40


class Voters:
    """Vote for the proposal with a chance of their own, which arguments raise and lower."""

    def __init__(self, seed):
        self.reform, self.income = reform_of(seed)
        draw = np.random.default_rng((seed, 1))
        self.chance = draw.random(N)
        self.attitude = draw.integers(-2, 3, N)

    def cast(self, key, argument):
        favor = np.where(self.reform.gain > 0, FAVOR[GAINS], FAVOR[LOSES])
        said = self.chance < favor + EFFECT.get(argument, 0.0)
        return VoteShares(said.astype(float), np.ones(N, bool))

    def moments(self):
        groups = voting_groups(self.reform, self.income, self.attitude)
        found = vote_moments(EQUAL, ask_votes(KEY, self.cast), groups)
        return {(one.moment, one.group): one.estimate for one in found}


def test_planted_attitudes_and_effects_are_within_their_intervals_in_95_of_100_seeds():
    truths = {("in_favor", group): 100 * share for group, share in FAVOR.items()}
    truths |= {(f"{name}_effect", ALL): 100 * effect for name, effect in EFFECT.items()}
    truths |= {(f"{name}_effect", LOW): 100 * effect for name, effect in EFFECT.items()}
    covered = dict.fromkeys(truths, 0)
    for seed in range(100):
        found = Voters(seed).moments()
        for name, truth in truths.items():
            covered[name] += found[name].low <= truth <= found[name].high
    assert min(covered.values()) >= 95, covered


def test_each_voter_is_compared_with_itself():
    found = Voters(0).moments()
    paired = found["fairness_effect", ALL].standard_error
    assert paired < 0.6 * np.sqrt(2) * found["in_favor", ALL].standard_error


def test_who_gains_is_exact_and_no_dollar_is_lost():
    reform, income = reform_of(0)
    law, proposal = reform.schedules
    assert reform.gain.mean() == pytest.approx(0, abs=1e-2)
    owed = [np.asarray(one.tax(jnp.asarray(income))) for one in (law, proposal)]
    more = owed[1] - owed[0]
    np.testing.assert_allclose(reform.gain, more.mean() - more, atol=0.1)
    # Above the first bracket that starts from $100,000 on, $100,525 in 2024, 10 cents a dollar.
    np.testing.assert_allclose(more, RISE * np.maximum(income - 100_525, 0), atol=0.1)


@pytest.mark.parametrize("law", [BracketSchedule([0.0], [0.2]), BracketSchedule([0, 1e5], [0, 1])])
def test_a_law_without_high_brackets_gets_one_and_rates_stay_legal(law):
    reform, _ = reform_of(1, law=law)
    for schedule in reform.schedules:
        assert list(schedule.thresholds) == [0.0, 100_000.0]
    rates = [float(one.rates[1]) for one in reform.schedules]
    assert rates[1] == pytest.approx(min(rates[0] + RISE, 1.0))


def test_own_gain_moves_who_chooses_best_and_no_argument_does():
    reform, income = reform_of(2)
    groups = voting_groups(reform, income, np.arange(N) % 5 - 2)
    found = vote_moments(EQUAL, ask_votes(KEY, votes_by_gain(reform)), groups)
    estimates = {(one.moment, one.group): one.estimate for one in found}
    assert estimates["in_favor", GAINS].value == pytest.approx(100)
    assert estimates["in_favor", LOSES].value == 0
    assert estimates["in_favor", LOW].value > estimates["in_favor", HIGH].value
    for argument in EFFECT:
        assert estimates[f"{argument}_effect", ALL].value == 0
    assert {LESS, MORE} <= {group for _, group in estimates}


def prefers(reform, letter=None):
    """Answer the letter of the tax with the higher top rate, or always the same."""
    tops = [f"{100 * float(one.rates[-1]):.4g} %" for one in reform.schedules]

    def answer(prompt):
        before = prompt.shared.split("With tax A")[0]
        wanted = "A" if tops[1] in before else "B"
        return f'{{"vote": "{letter or wanted}"}}'

    return answer


def as_letter(answer):
    return lambda prompt, option: 9.0 if f'"{option}"' in answer(prompt) else 1.0


@pytest.mark.parametrize("mode", ["choice", "text"])
@pytest.mark.parametrize("reverse", [False, True])
def test_models_are_asked_so_that_no_tax_gains_by_its_place(mode, reverse):
    reform, _ = reform_of(3, agents=4)
    texts = [f"You are person {i}." for i in range(4)]

    def votes(answer):
        engine = ScriptedEngine(answer, likelihood=as_letter(answer))
        cast = model_votes(
            Asker(tallied(engine)), reform, texts, mode=mode, samples=2, reverse=reverse
        )
        return ask_votes(KEY, cast)

    sure = 0.9 if mode == "choice" else 1.0
    meant = votes(prefers(reform))
    by_place = votes(prefers(reform, "A"))
    for argument in meant:
        np.testing.assert_allclose(meant[argument].favor, sure)
        assert by_place[argument].favor.mean() == pytest.approx(0.5)
        assert meant[argument].known.all()
    first = by_place["none"].favor[0]
    assert first == pytest.approx(sure if reverse else 1 - sure)


def test_arguments_name_the_proposal_and_say_nothing_else():
    reform, _ = reform_of(4, agents=2)
    read = []

    def answer(prompt):
        read.append(prompt)
        return '{"vote": "A"}'

    cast = model_votes(Asker(tallied(ScriptedEngine(answer))), reform, ["I", "II"], mode="text")
    ask_votes(KEY, cast)
    none, fairness, efficiency = read[:2], read[2:4], read[4:]
    for voter, letter in ((0, "B"), (1, "A")):
        assert f"argues for tax {letter}" in fairness[voter].shared
        assert f"argues against tax {letter}" in efficiency[voter].shared
        assert "argues" not in none[voter].shared
        assert len({one[voter].personal for one in (none, fairness, efficiency)}) == 1


def test_votes_that_cannot_be_read_are_counted_and_too_many_end_it():
    reform, _ = reform_of(5, agents=4)
    texts = [f"{i}" for i in range(4)]

    def some(prompt):
        return '{"vote": "C"}' if prompt.personal.startswith("0") else '{"vote": "B"}'

    asker = Asker(tallied(ScriptedEngine(some)), most_unread=0.3, who="voters")
    found = model_votes(asker, reform, texts, mode="text")(KEY, "none")
    assert list(found.known) == [False, True, True, True]
    assert list(found.favor) == [0.0, 0.0, 0.0, 1.0]
    asker = Asker(tallied(ScriptedEngine(some)), most_unread=0.2, who="voters")
    cast = model_votes(asker, reform, texts, mode="text")
    with pytest.raises(Unread, match="voters' answers could not be read"):
        cast(KEY, "none")
    with pytest.raises(ValueError, match="at least once; got 0"):
        model_votes(asker, reform, texts, mode="text", samples=0)
