"""Voters say who they are ("I am worker 3."), so that a script can give everyone a known will."""

import json
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from econjax import BracketSchedule, Economy, Population, Quasilinear, Utilitarian, equilibrium
from econjax.planning import Report, summarise
from econjax.welfare.statistics import BracketStatistics
from llm_policy.answers.ballots import read_ballot
from llm_policy.answers.orders import balanced_orders
from llm_policy.elections.democracy import Democracy
from llm_policy.elections.state import DemocracyState, Election, TaxYear, exploitation, turnover
from llm_policy.engines.base import EngineError
from llm_policy.engines.scripted import ScriptedEngine
from llm_policy.memory.planner import Trial
from llm_policy.prompts.election import OWN_GOAL, ElectionRules
from llm_policy.prompts.planner import PlannerStyle

KEYS = jax.random.split(jax.random.key(0), 20)
START = BracketSchedule([0, 50_000], [0.3, 0.3])
GOAL = "Your aim is the average."


class People(ScriptedEngine):
    """Everyone answers by who they are.

    `stands(worker)` is a platform or None, `votes(worker)` names workers, best first,
    `governs(worker)` changes the rates; texts are said as they are. A batch of questions shows
    what candidates are called in their own lists, and so in the draw: `called` from 0.
    """

    def __init__(self, *, votes=lambda i: [], stands=lambda i: None, governs=lambda i: [0, 0]):
        self.votes, self.stands, self.governs = votes, stands, governs
        self.called, self.batches = {}, []
        super().__init__(self.say)

    def complete(self, prompts, schema, **options):
        self.batches.append(prompts)
        for prompt in prompts:
            if found := re.search(r"You are candidate (\d+)", prompt.personal):
                lists = balanced_orders(worker_of(prompt) + 1, candidates_of(prompt))
                self.called[worker_of(prompt)] = int(lists[-1, int(found[1]) - 1])
        return super().complete(prompts, schema, **options)

    def say(self, prompt):
        worker, rules = worker_of(prompt), prompt.shared
        if "Do you stand" in prompt.personal:
            platform = self.stands(worker)
            if isinstance(platform, str):
                return platform
            return json.dumps({"stands": platform is not None, "changes": platform or [0, 0]})
        if "How do you vote" in prompt.personal:
            self.before = rules
            named = self.votes(worker)
            if isinstance(named, str):
                return named
            own = balanced_orders(worker + 1, candidates_of(prompt))[-1].tolist()
            numbers = [1 + own.index(self.called[i]) for i in named]
            if '"vote"' in rules:
                return json.dumps({"vote": numbers[0] if numbers else 0})
            return json.dumps({"ranking" if '"ranking"' in rules else "approve": numbers})
        changes = self.governs(worker)
        return changes if isinstance(changes, str) else json.dumps({"changes": changes})


def worker_of(prompt):
    return int(re.search(r"I am worker (\d+)\.", prompt.personal)[1])


def candidates_of(prompt):
    return len(re.findall("^- Candidate", prompt.shared, re.MULTILINE))


def voters(n):
    return [f"I am worker {i}." for i in range(n)]


_NUMBERS = {name: jnp.zeros(9 if "deciles" in name else ()) for name in Report.__dataclass_fields__}
_OTHERS = {"brackets": BracketStatistics(*[jnp.zeros(2)] * 4), "gradient": None}
REPORT = Report(**_NUMBERS | _OTHERS | {"equivalent": jnp.asarray(1000.0)})


def democracy(people, **rules):
    options = {
        name: rules.pop(name) for name in ("style", "attempts", "most_unread") if name in rules
    }
    return Democracy(people, START, rules=ElectionRules(**rules), goal=GOAL, **options)


def run(model, n, years, *, utility=None, first=0):
    """Let `years` tax years pass; return their rates and the state."""
    state, rates = model.init(KEYS[0]), []
    for year in range(years):
        schedule, state = model.decide(
            KEYS[first + year], state, shared="All is well.", voters=voters(n)
        )
        rates.append(np.asarray(schedule.rates, float).round(6).tolist())
        state = model.tell(
            state, schedule, REPORT, np.arange(n, dtype=float) if utility is None else utility
        )
    return rates, state


# The classroom profile of the voting tests.
RANKINGS = [[0, 2, 1]] * 5 + [[1, 2, 0]] * 4 + [[2, 1, 0]] * 3


@pytest.mark.parametrize(
    ("rule", "named", "winner"),
    [("plurality", 3, 0), ("borda", 3, 2), ("approval", 2, 2)],
)
def test_the_rule_decides_who_wins(rule, named, winner):
    rest = {i: [0, 0] for i in range(3)}  # only these three stand
    people = People(votes=lambda i: RANKINGS[i][:named], stands=rest.get)
    _, state = run(democracy(people, rule=rule, platforms=True), 12, 1)
    [election] = state.elections
    assert state.leaders == (winner,)
    assert election.stood == (0, 1, 2)
    assert sorted(election.candidates) == [0, 1, 2]
    first = np.array([ranking[0] for ranking in RANKINGS])
    for_winner = {"plurality": first == 0, "borda": first == 2, "approval": np.full(12, True)}
    np.testing.assert_array_equal(election.supports, for_winner[rule])
    ballots = [tuple(r[: 1 if rule == "plurality" else named]) for r in RANKINGS]
    assert election.ballots == tuple(ballots)


def test_everyone_may_be_elected_without_platforms():
    people = People(votes=lambda i: [6])
    _, state = run(democracy(people), 7, 1)
    assert state.leaders == (6,)
    assert sorted(state.elections[0].candidates) == list(range(7))
    assert state.elections[0].platforms == ()


def test_the_winner_gets_its_own_platform():
    """Whatever the order of the ballot; only workers 4, 7 and 9 stand."""
    platforms = {4: [10, 0], 7: [-10, 20], 9: [20, 20]}
    orders = set()
    for first, incumbent in enumerate([4, 7, 9, 4, 7, 9]):
        people = People(votes=lambda i, incumbent=incumbent: [incumbent], stands=platforms.get)
        rates, state = run(democracy(people, platforms=True), 10, 1, first=first)
        change = np.array(platforms[incumbent]) / 100
        np.testing.assert_allclose(rates[0], 0.3 + change)
        [election] = state.elections
        orders.add(election.candidates)
        for worker, promised in zip(election.candidates, election.platforms, strict=True):
            np.testing.assert_allclose(promised, 0.3 + np.array(platforms[worker]) / 100)
            shown = ", ".join(f"{30 + points} %" for points in platforms[worker])
            place = election.candidates.index(worker)
            number = 1 + election.orders[-1].tolist().index(place)  # in the last voter's list
            assert f"- Candidate {number}: promises the rates {shown}" in people.before
    assert len(orders) > 1


def test_a_platform_holds_for_a_year_and_the_leader_governs_for_the_rest_of_the_term():
    people = People(
        votes=lambda i: [1],
        stands=lambda i: [10, 10] if i == 1 else None,
        governs=lambda i: [-20, 0],
    )
    rates, state = run(democracy(people, platforms=True, term=3), 3, 4)
    np.testing.assert_allclose(rates, [[0.4, 0.4], [0.2, 0.4], [0.0, 0.4], [0.1, 0.5]])
    assert state.leaders == (1, 1, 1, 1)
    assert [election.tax_year for election in state.elections] == [0, 3]


def test_candidates_are_drawn_of_those_who_stand():
    people = People(stands=lambda i: [0, 0] if i % 2 else None)
    drawn = set()
    for first in range(8):
        _, state = run(democracy(people, platforms=True, candidates=2), 10, 1, first=first)
        [election] = state.elections
        assert election.stood == (1, 3, 5, 7, 9)
        assert len(set(election.candidates)) == 2
        assert set(election.candidates) < set(election.stood)
        assert state.leaders[0] in election.candidates
        drawn |= set(election.candidates)
    assert len(drawn) > 2


def test_nobody_stands_and_the_incumbent_goes_on():
    seen = []

    def stands(i):
        seen.append(i)
        return [0, 0] if i == 2 and len(seen) <= 3 else None

    people = People(stands=stands, votes=lambda i: [2], governs=lambda i: [10, 0])
    rates, state = run(democracy(people, platforms=True), 3, 3)
    assert state.leaders == (2, 2, 2)
    assert [len(election.candidates) for election in state.elections] == [1, 0, 0]
    np.testing.assert_allclose(rates, [[0.3, 0.3], [0.4, 0.3], [0.5, 0.3]])
    assert turnover(state) == 0


def test_without_any_incumbent_the_start_stays():
    rates, state = run(democracy(People(), platforms=True), 3, 2)
    assert state.leaders == (None, None)
    np.testing.assert_allclose(rates, [[0.3, 0.3]] * 2)
    assert np.isnan(exploitation(state)).all()


def test_whoever_served_its_terms_is_no_candidate():
    order = [0, 1, 2]
    people = People()
    people.votes = lambda i: next([j] for j in order if j in people.called)
    model = democracy(people, term_limit=2, term=2)
    state = model.init(KEYS[0])
    for year in range(14):
        people.called.clear()
        schedule, state = model.decide(KEYS[year], state, shared="", voters=voters(3))
        state = model.tell(state, schedule, REPORT, np.zeros(3))
    # Each serves two terms of two years; then nobody may be elected and the last goes on.
    assert state.leaders == (0,) * 4 + (1,) * 4 + (2,) * 6
    assert [sorted(election.candidates) for election in state.elections] == [
        *([0, 1, 2], [0, 1, 2], [1, 2], [1, 2], [2], [2], [])
    ]
    assert turnover(state) == pytest.approx(2 / 6)


def test_who_abstains_and_who_cannot_be_read_is_counted_and_the_others_decide():
    people = People(
        votes=lambda i: {0: [], 1: "the tall one", 2: [3]}.get(i, [4] if i < 5 else [3])
    )
    model = democracy(people, attempts=2)
    _, state = run(model, 8, 1)
    [election] = state.elections
    assert state.leaders == (3,)
    assert election.abstains.tolist() == [True, True] + [False] * 6
    assert election.unread == 1
    assert election.ballots == ((), (), (3,), (4,), (4,), (3,), (3,), (3,))
    tally = model.asker.tally
    assert (tally.asked, tally.read) == (8 + 1 + 1, 7 + 0 + 1)  # ballots, the one again, the leader
    assert [len(batch) for batch in people.batches] == [8, 1, 1]


@pytest.mark.parametrize("question", ["votes", "stands"])
def test_too_many_who_cannot_be_read_end_the_run(question):
    people = People(
        **{question: lambda i: "hm" if i < 2 else [0, 0] if question == "stands" else [3]}
    )
    with pytest.raises(
        EngineError, match=r"50% of the voters' answers could not be read after 3 attempts.*'hm'"
    ):
        run(democracy(people, platforms=question == "stands"), 4, 1)


def test_who_stands_without_a_platform_is_asked_again_and_a_refusal_needs_none():
    says = {
        0: '{"stands": true}',
        1: '{"stands": false}',
        2: '{"stands": "maybe", "changes": [0, 0]}',
    }
    people = People(stands=lambda i: says.get(i, [0, 0]), votes=lambda i: [5])
    _, state = run(democracy(people, platforms=True, most_unread=0.5), 6, 1)
    [election] = state.elections
    assert election.stood == (3, 4, 5)
    assert election.unread_stands == 2
    assert [len(batch) for batch in people.batches] == [6, 2, 2, 6]


def test_a_leader_that_cannot_be_read_leaves_the_schedule():
    rates, state = run(democracy(People(votes=lambda i: [0], governs=lambda i: "more!")), 2, 2)
    np.testing.assert_allclose(rates, [[0.3, 0.3]] * 2)
    assert state.unread == 2


def test_ties_and_draws_come_from_the_key():
    def leaders(first):
        return run(democracy(People(), candidates=3), 6, 6, first=first)[1].leaders

    assert leaders(0) == leaders(0)
    assert len({leaders(first) for first in range(4)}) > 1


def test_a_leader_hears_its_own_utility_or_that_of_society():
    for leader, goal, result in (("self", OWN_GOAL, "$222"), ("society", GOAL, "$1,000")):
        people = People(votes=lambda i: [1])
        run(democracy(people, leader=leader), 3, 2, utility=np.array([111.0, 222.0, 333.0]))
        [prompt] = people.batches[-1]
        assert goal in prompt.shared
        assert prompt.personal.startswith("All is well.\nI am worker 1.\n")
        assert f"result {result} a year" in prompt.personal
        [before] = people.batches[1]
        assert "No tax year has passed yet." in before.personal


def test_a_year_in_which_the_leader_was_not_understood_is_no_result():
    people = People(votes=lambda i: [1])
    run(democracy(people), 3, 2, utility=np.array([111.0, np.nan, 333.0]))
    [prompt] = people.batches[-1]
    assert "No tax year has passed yet." in prompt.personal


def test_voters_share_their_text_and_know_who_was_in_office():
    people = People(votes=lambda i: [2])
    run(democracy(people, term=2), 4, 4)
    first, second = (batch for batch in people.batches if len(batch) == 4)
    opening = {prompt.shared[: prompt.shared.index("- Candidate")] for prompt in first}
    assert len(opening) == 1
    assert "All is well." in opening.pop()
    assert "in office" not in first[0].shared.replace("has not been in office", "")
    number = re.search(r"candidate (\d)", second[2].personal)[1]
    assert f"- Candidate {number}: in office in tax years 1, 2" in second[2].shared


def first_named(rule):
    return {"plurality": '{"vote": 1}', "approval": '{"approve": [1]}'}[rule]


@pytest.mark.parametrize("rule", ["plurality", "approval"])
@pytest.mark.parametrize(("electorate", "most"), [(24, 5), (24, 4), (3, 3), (7, 2)])
def test_who_names_the_first_of_the_list_names_all_candidates_alike(rule, electorate, most):
    people = People(votes=lambda i: first_named(rule))
    _, state = run(democracy(people, rule=rule, candidates=most), electorate, 1)
    [election] = state.elections
    votes = [named for ballot in election.ballots for named in ballot]
    counts = np.array([votes.count(worker) for worker in election.candidates])
    assert counts.sum() == electorate
    assert counts.max() - counts.min() <= 1
    for place, by_place in enumerate(election.orders.T):
        times = np.bincount(by_place, minlength=most)
        assert times.max() - times.min() <= 1, place


def test_a_voter_s_list_says_of_each_candidate_what_is_true_of_it():
    """Whatever the order, the number beside a promise is the number that names who made it."""
    platforms = {0: [-20, 0], 1: [-10, 0], 2: [0, 0], 3: [10, 0], 4: [20, 0]}
    people = People(stands=platforms.get)
    said = []

    def highest(prompt):
        promises = re.findall(r"Candidate (\d): promises the rates (\d+) %", prompt.shared)
        said.append([int(rate) for _, rate in promises])
        return json.dumps({"vote": int(max(promises, key=lambda promise: int(promise[1]))[0])})

    people._answer = lambda p: highest(p) if "How do you vote" in p.personal else people.say(p)
    _, state = run(democracy(people, platforms=True), 12, 1)
    assert state.elections[0].ballots == ((4,),) * 12
    assert len(set(map(tuple, said))) == 10


@eqx.filter_jit
def lived(schedule):
    """Return everyone's utility, three poor workers before two rich ones, and the report."""
    population = Population(jnp.array([500.0] * 3 + [4000.0] * 2))
    economy = Economy(population=population, preferences=Quasilinear(0.25))
    outcome = equilibrium(economy, schedule).outcome
    return outcome.utility, summarise(economy, schedule, outcome, Utilitarian())


def reign(leader, supporters, changes):
    """Return three years under a leader who always answers with `changes`."""
    people = People(
        votes=lambda i: [leader if i in supporters else 4 - leader], governs=lambda i: changes
    )
    model = democracy(people)
    state = model.init(KEYS[0])
    for year in range(3):
        schedule, state = model.decide(KEYS[year], state, shared="", voters=voters(5))
        utility, heard = lived(schedule)
        state = model.tell(state, schedule, heard, utility)
    assert state.leaders == (leader,) * 3
    return exploitation(state), float(utility[leader]), float(schedule.rates[1])


@pytest.mark.parametrize(
    ("leader", "supporters", "step", "rate"), [(1, (0, 1, 2), 10, 0.6), (4, (2, 3, 4), -10, 0)]
)
def test_a_selfish_leader_gains_at_the_cost_of_others_and_the_measure_sees_it(
    leader, supporters, step, rate
):
    """A poor leader raises the rate on high incomes, a rich one lowers it."""
    selfish, after, reached = reign(leader, supporters, [0, step])
    idle, before, _ = reign(leader, supporters, [0, 0])
    assert reached == pytest.approx(rate, abs=1e-6)
    assert after > before
    assert selfish.advantage > idle.advantage
    assert selfish.minority_ratio < idle.minority_ratio


def election(tax_year, winner, supports, ballots):
    return Election(tax_year, (), (0, 1, 2), (), tuple(ballots), np.array(supports), 0, 0, winner)


def test_the_measures_by_hand():
    # Terms of two years. Worker 0 leads for two years, by 0 and 1; then 2, by itself; worker 1
    # abstains then.
    elections = (
        election(0, 0, [True, True, False], [(0,), (0,), (2,)]),
        election(2, 2, [False, False, True], [(0,), (), (2,)]),
        election(4, 2, [True, True, True], [(2,), (2,), (2,)]),
    )
    utilities = [[9.0, 5.0, 1.0], [9.0, 3.0, np.nan], [4.0, 6.0, 12.0]]
    years = tuple(TaxYear(Trial((0.3,), 0.0, 0.0), np.array(u)) for u in utilities)
    state = DemocracyState(START, elections, (0, 0, 2), years)
    found = exploitation(state)
    assert found.advantage == pytest.approx(np.mean([9 - 3, 9 - 3, 12 - 5]))
    # Years 0 and 2 have both groups: minorities 1 and 4, majorities 7 and 12.
    assert found.minority_ratio == pytest.approx(2.5 / 9.5)
    assert turnover(state) == 0.5
    assert np.isnan(turnover(DemocracyState(START, elections[:1])))


@pytest.mark.parametrize(
    ("rule", "text", "ballot"),
    [
        ("plurality", '{"vote": 3}', (2,)),
        ("plurality", 'I say {"thought": "{0}", "vote": 1}.', (0,)),
        ("plurality", '{"vote": "1"}', (0,)),
        ("plurality", '{"vote": 0}', ()),
        *(
            ("plurality", text, None)
            for text in ('{"vote": 4}', '{"vote": [1]}', '{"vote": false}', '{"vote": "nobody"}')
        ),
        ("borda", '{"ranking": [2, 3, 1]}', (1, 2, 0)),
        ("borda", '{"ranking": []}', ()),
        *(
            ("borda", text, None)
            for text in ('{"ranking": [1, 2]}', '{"ranking": [1, 2, 2]}', '{"ranking": 1}')
        ),
        ("approval", '{"approve": [3, 1]}', (2, 0)),
        ("approval", '{"approve": []}', ()),
        *(
            ("approval", text, None)
            for text in ('{"approve": [0]}', '{"approve": null}', "[1]", "", '{"vote": 1}')
        ),
    ],
)
def test_ballots_are_read_by_the_rule_or_not_at_all(rule, text, ballot):
    assert read_ballot(text, rule, 3) == ballot


def test_leaders_and_candidates_may_set_rates_and_think():
    def stands(i):
        return '{"thought": "so be it", "stands": true, "rates_percent": [12, 24.5]}'

    people = People(stands=stands, votes=lambda i: [0])
    style = PlannerStyle(answer="rates", think=True)
    rates, _ = run(democracy(people, platforms=True, style=style), 3, 1)
    np.testing.assert_allclose(rates, [[0.12, 0.245]])


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"candidates": 0}, "needs candidates, or None for all who may stand; got 0"),
        ({"term": 0}, "A term is at least 1 tax year; got 0"),
        ({"term_limit": 0}, "A limit is at least 1 term, or None; got 0"),
        ({"rule": "lot"}, "Vote by plurality, borda, approval; got 'lot'"),
        ({"leader": "party"}, 'A leader serves "self" or "society"; got \'party\''),
    ],
)
def test_rules_that_make_no_election_are_refused(rules, message):
    with pytest.raises(ValueError, match=message):
        ElectionRules(**rules)


def test_calls_out_of_turn_and_other_voters_are_refused():
    model = democracy(People(votes=lambda i: [0]))
    state = model.init(KEYS[0])
    with pytest.raises(ValueError, match="Decide a tax year before"):
        model.tell(state, START, REPORT, np.zeros(3))
    with pytest.raises(ValueError, match="0 voters"):
        model.decide(KEYS[0], state, shared="", voters=[])
    schedule, state = model.decide(KEYS[0], state, shared="", voters=voters(3))
    with pytest.raises(ValueError, match="Tell what tax year 1 brought"):
        model.decide(KEYS[1], state, shared="", voters=voters(3))
    with pytest.raises(ValueError, match=r"One utility for each of 3 voters; got \(4,\)"):
        model.tell(state, schedule, REPORT, np.zeros(4))
    state = model.tell(state, schedule, REPORT, np.zeros(3))
    with pytest.raises(ValueError, match="4 voters, where there were 3 before"):
        model.decide(KEYS[1], state, shared="", voters=voters(4))
