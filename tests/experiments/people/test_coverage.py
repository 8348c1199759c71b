"""Intervals of people's moments, over samples of a population that was asked itself."""

from experiments.people.asking import AskedPeople
from experiments.people.config import PeopleConfig
from experiments.tools.people_coverage import coverage
from llm_policy.engines.wrappers.tally import Tally


def test_every_moment_of_the_formula_is_within_its_interval_in_95_of_100_samples():
    people = AskedPeople(PeopleConfig(workers="formula", agents=600), None, Tally())
    found = {(row["moment"], row["group"]): row for row in coverage(people, sample=120, seeds=100)}
    assert {"hours_60", "at_work", "hours", "participation", "bunching", "in_favor"} <= {
        moment for moment, _ in found
    }
    assert {row["measured"] for row in found.values()} == {100}
    short = {name: row["covered"] for name, row in found.items() if row["covered"] < 95}
    assert not short
