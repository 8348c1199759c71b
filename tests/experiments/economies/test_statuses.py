"""People of several statuses, each with a schedule; other income, credits, losses, no work."""

import jax.numpy as jnp
import numpy as np
import pytest

from econjax import AmongWorkers, best_response, equilibrium, us_federal
from econjax.economy import income_and_tax
from experiments.compare.config import CompareConfig
from experiments.core.config import RunConfig

PEOPLE = (
    "income,weight,status,other_income,credit\n"
    "20000,2,single,0,0\n0,1,single,9000,0\n60000,1,joint,0,2000\n45000,1,head_of_household,0,0\n"
    "-500,1,joint,0,0\n250000,1,joint,3000,0\n52000,2,single,0,0\n90000,1,head_of_household,0,0\n"
)
ALONE = "[law.by_status.alone]\nthresholds = [0, 10_000]\nrates = [0.1, 0.3]\n"
PAIR = "[law.by_status.pair]\nthresholds = [0, 20_000]\nrates = [0.1, 0.3]\n"
OTHER_RATES = PAIR.replace("0.3", "0.4")
PAIRS = "income,status\n15000,pair\n25000,alone\n40000,pair\n5000,alone\n"


@pytest.fixture
def config_of(tmp_path):
    def make(rules='losses = "clip"', *, data=PEOPLE, more="", **choices):
        (tmp_path / "people.csv").write_text(data)
        file = f'[incomes]\nfile = "people.csv"\n{rules}\n{more}'
        (tmp_path / "economy.toml").write_text(file)
        return CompareConfig.of_file(tmp_path / "economy.toml", **choices)

    return make


def test_everybody_is_taxed_by_the_schedule_of_the_own_status(config_of, x64):
    config = config_of()
    law, economy = config.status_quo(), config.economy()
    names = ("single", "joint", "head_of_household")  # in the order of the law; none is separate
    assert config.source.statuses == names
    assert config.statuses == ("single", "joint", "head of household")
    assert law.rates.ndim == 1
    labor = jnp.where(economy.population.skill > 0, 40.0, 0)
    income, tax = income_and_tax(economy.population, law, labor)
    owed = [
        us_federal(2024, name).tax(income[place]) - economy.population.credit[place]
        for place, name in enumerate(config.source.columns()["status"])
    ]
    np.testing.assert_allclose(tax, owed, rtol=1e-12)
    np.testing.assert_allclose(best_response(economy, law), labor, rtol=1e-9)
    rebate = equilibrium(economy, law).rebate
    np.testing.assert_allclose(rebate, economy.population.weight @ jnp.stack(owed), rtol=1e-9)


def test_a_status_that_is_asked_for_is_everybodys(config_of):
    config = config_of(status="joint")
    assert config.statuses == ()
    assert config.status_quo().thresholds.tolist() == us_federal(2024, "joint").thresholds.tolist()
    assert config.economy().population.group is None
    data = PEOPLE.replace("single", "joint").replace("head_of_household", "joint")
    only = config_of(data=data)
    assert only.status_quo().thresholds.tolist() == us_federal(2024, "joint").thresholds.tolist()


def test_fewer_workers_are_the_grid_of_each_status(config_of):
    config = config_of(agents=20)
    group = np.asarray(config.economy().population.group)
    assert np.bincount(group).tolist() == [10, 6, 4]
    skill = np.asarray(config.economy().population.skill)
    assert all((np.diff(skill[group == number]) >= 0).all() for number in range(3))


def test_planners_set_one_list_of_rates_or_one_for_each(config_of):
    common = config_of("", data=PAIRS, more=ALONE + PAIR)
    assert common.status_quo().thresholds.tolist() == [[0, 10_000], [0, 20_000]]
    assert common.status_quo().rates.shape == (2,)
    own = config_of("", data=PAIRS, more=f'[law]\ngroup_rates = "own"\n{ALONE}{PAIR}')
    assert own.status_quo().rates.shape == (2, 2)
    differ = config_of("", data=PAIRS, more=ALONE + OTHER_RATES)
    np.testing.assert_allclose(differ.status_quo().rates, [[0.1, 0.3], [0.1, 0.4]], rtol=1e-6)
    assert "planners set rates for each" in differ.source.words()
    assert config_of(group_rates="own").status_quo().rates.shape == (3, 7)


def test_losses_that_are_kept_are_income_that_labor_does_not_bring(config_of):
    kept = config_of('losses = "keep"').source
    assert kept.records.income.min() == 0
    assert kept.records.columns["other_income"].tolist() == [0, 9000, 0, 0, -500, 3000, 0, 0]
    assert "1 of 8 records (10.0% of people; -500 in all) with losses keep" in kept.words()
    clipped = config_of('losses = "clip"').source
    assert clipped.records.columns["other_income"].min() == 0
    assert "-500 in all) with losses count as earning nothing" in clipped.words()
    mixed = config_of('losses = "drop"', data=PEOPLE.replace("single,9000", "single,-9000")).source
    assert "2 of 8 records (20.0% of people; -9,500 in all) with losses" in mixed.words()


def test_people_without_work_are_kept_apart_and_count_as_the_file_says(config_of):
    config = config_of('losses = "clip"\nzeros = "apart"')
    economy = config.economy()
    hours = config.fixed_hours(economy)
    np.testing.assert_array_equal(hours == 0, economy.population.skill == 0)
    assert np.isnan(hours).sum() == 6
    assert "2 of 8 records (20.0% of people; 9,000 in all) do not work" in config.notes()[1]
    assert not isinstance(config.aim("rawlsian").welfare, AmongWorkers)
    workers = config_of('losses = "clip"', more='[welfare]\ncounts = "workers"').aim("rawlsian")
    assert isinstance(workers.welfare, AmongWorkers)
    assert workers.name == "Rawlsian, among workers"
    assert config_of('losses = "clip"').fixed_hours(economy) is None


def test_one_schedule_leaves_all_as_it_was(config_of):
    plain = config_of('losses = "clip"', data="income,weight\n-1,1\n0,2\n40000,1\n")
    assert plain.statuses == plain.notes() == ()
    assert plain.economy().population.group is None
    assert CompareConfig().statuses == CompareConfig().notes() == ()
    assert RunConfig().status is None


@pytest.mark.parametrize(
    ("data", "more", "says"),
    [
        (
            PAIRS.replace("\n5000,alone", "\n5000,widowed"),
            ALONE + PAIR,
            "people.csv, line 5: the status widowed has no schedule in the law, which knows alone, "
            "pair: add it under [law.by_status], choose others",
        ),
        (
            PAIRS.replace("status", "who"),
            ALONE + PAIR,
            "line 4: there are schedules of alone, pair, and {folder}/people.csv, line 1, has no "
            "column status: name it under [incomes.columns], or tax all as one by",
        ),
        (
            PAIRS,
            f'[law]\nstatus = "widowed"\n{ALONE}{PAIR}',
            "line 5: the status widowed has no schedule, only alone, pair have: add "
            "[law.by_status.widowed], or choose another by status",
        ),
        (
            PAIRS,
            ALONE + PAIR.replace("]\nrates = [", ", 90_000]\nrates = [0.05, "),
            "line 8: 3 brackets of pair and 2 of alone: give all as many, by splitting",
        ),
        (
            PAIRS,
            f'[law]\ngroup_rates = "common"\n{ALONE}{OTHER_RATES}',
            "line 5: rates in common are set where those of the law are, and here they differ",
        ),
        (
            PAIRS.replace("status", "who"),
            '[law]\ngroup_rates = "own"\n',
            "line 5: there is one schedule for all: leave out group_rates, or give schedules by",
        ),
        (
            PEOPLE.replace("joint,0,2000", "joint,0,-5"),
            "",
            "people.csv, line 4: credit is -5: it must be 0 or more",
        ),
    ],
)
def test_what_makes_no_groups_is_told_with_line_and_remedy(data, more, says, config_of, tmp_path):
    with pytest.raises(ValueError, match=r"line|schedule") as told:
        config_of("", data=data, more=more).check()
    assert says.format(folder=tmp_path) in str(told.value)
    assert "\n" not in str(told.value)
