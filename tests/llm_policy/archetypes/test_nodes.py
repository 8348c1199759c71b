import itertools

import jax
import numpy as np
import pytest

from econjax import Economy, Quasilinear, calibrate, gb2, us_federal
from llm_policy.archetypes.cells import PersonCells
from llm_policy.archetypes.crowd import crowd_of
from llm_policy.archetypes.nodes import links_of, nodes_of
from llm_policy.audit.variation import jensen_shannon, total_variation

LAW = us_federal(2024)
KEY = jax.random.key(0)


def crowd_with(agents, cells=3):
    population = calibrate(gb2(agents), LAW)
    crowd = crowd_of(KEY, Economy(population=population, preferences=Quasilinear(0.25)))
    of = np.arange(agents) % cells
    return crowd, PersonCells(of, np.arange(cells))


class Oracle:
    """Answers by a function of the log of skill, from 0 to 1, and counts."""

    def __init__(self, crowd, share):
        skill = np.log(np.asarray(crowd.economy.population.skill))
        self.at = (skill - skill.min()) / np.ptp(skill)
        self.skill, self.share, self.asked = np.exp(skill), share, 0

    def __call__(self, cell, place):
        self.asked += len(place)
        share = self.share(self.at[place], self.skill[place])
        return np.stack([share, 1 - share], axis=1), np.ones(len(place), bool)


def search(agents, share, *, most=60, tolerance=0.002):
    crowd, cells = crowd_with(agents)
    oracle = Oracle(crowd, share)
    nodes, held = nodes_of(crowd, cells, LAW, oracle, most=most, tolerance=tolerance)
    return crowd, cells, oracle, nodes, held


def test_what_is_linear_in_the_log_of_skill_needs_no_more_than_two_skills():
    *_, nodes, held = search(900, lambda at, skill: at)
    assert len(nodes.cell) == 3 * 2
    assert held.asked == 3
    assert held.worst < 1e-6


def test_nodes_go_where_answers_bend_until_interpolation_is_near_enough():
    crowd, cells, oracle, nodes, held = search(9_000, lambda at, skill: at**8, most=200)
    assert held.worst <= 0.002
    links = links_of(crowd, cells, nodes)
    found, _ = oracle(nodes.cell, nodes.place)
    after = np.minimum(links.left + 1, len(found) - 1)
    mixed = (1 - links.share[:, None]) * found[links.left] + links.share[:, None] * found[after]
    true, _ = oracle(cells.of, np.arange(9_000))
    assert jensen_shannon(mixed, true).mean() < 0.002
    skills = oracle.at[nodes.place[nodes.cell == 0]]
    assert np.median(skills) > 0.5  # it is flat among the poor


def test_a_jump_where_a_threshold_is_earned_in_40_hours_has_a_node_on_both_sides():
    turn = float(LAW.thresholds[2]) / 40
    *_, oracle, nodes, held = search(3_000, lambda at, skill: 0.2 + 0.6 * (skill > turn))
    for number in range(3):
        skills = oracle.skill[nodes.place[nodes.cell == number]]
        below, above = skills[skills <= turn].max(), skills[skills > turn].min()
        assert above / below < 1.01
    assert held.worst <= 0.002


@pytest.mark.parametrize("agents", [600, 6_000, 60_000])
def test_what_is_asked_does_not_depend_on_how_many_people_there_are(agents):
    *_, oracle, nodes, held = search(agents, lambda at, skill: at**8, most=30, tolerance=0)
    assert 29 <= len(nodes.cell) <= 30
    assert oracle.asked <= 2 * 30
    assert held.asked > 0  # what may be no node is held out


def test_who_was_not_understood_divides_nothing():
    class Silent(Oracle):
        def __call__(self, cell, place):
            found, known = super().__call__(cell, place)
            return found, known & (self.at[place] > 0.6)

    crowd, cells = crowd_with(900)
    oracle = Silent(crowd, lambda at, skill: at**8)
    nodes, held = nodes_of(crowd, cells, LAW, oracle, most=60, tolerance=0.002)
    assert len(nodes.cell) == 6
    assert held.worst == 0


def test_everybody_lies_between_archetypes_of_the_own_cell():
    crowd, cells, _, nodes, _ = search(900, lambda at, skill: at**8)
    links, skill = links_of(crowd, cells, nodes), np.asarray(crowd.economy.population.skill)
    assert ((links.share >= 0) & (links.share <= 1)).all()
    np.testing.assert_array_equal(nodes.cell[links.left], cells.of)
    beside = links.share > 0
    np.testing.assert_array_equal(nodes.cell[links.left[beside] + 1], cells.of[beside])
    assert (skill[nodes.place[links.left]] <= skill).all()
    at_node = links.left[nodes.place] + (links.share[nodes.place] == 1)
    np.testing.assert_array_equal(at_node, np.arange(len(nodes.place)))


def test_divergence_is_that_of_its_definition():
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.25, 0.5])
    entropy = lambda v: -sum(x * np.log2(x) for x in v if x)  # noqa: E731
    assert jensen_shannon(p, q) == pytest.approx(
        entropy((p + q) / 2) - (entropy(p) + entropy(q)) / 2
    )
    assert jensen_shannon(p, p) == 0
    assert jensen_shannon(np.array([1.0, 0]), np.array([0, 1.0])) == 1
    assert total_variation(p, q) == 0.5
    rows = np.random.default_rng(0).dirichlet(np.ones(4), 5)
    for one, two, three in itertools.permutations(rows, 3):
        root = lambda a, b: jensen_shannon(a, b) ** 0.5  # noqa: E731
        assert root(one, three) <= root(one, two) + root(two, three) + 1e-12
