"""Every public function at the edge of its domain: the law that it keeps or the error it raises.

Edges: zeros, ties, negative, huge and tiny numbers, inf, nan, nothing, weights that are shares or
counts, one person.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import econjax
from econjax import (
    GHH,
    Atkinson,
    BracketSchedule,
    Economy,
    InverseIncome,
    Isoelastic,
    LogLinearSchedule,
    Population,
    Quasilinear,
    RateBounds,
    Rawlsian,
    WeightedUtilitarian,
    best_response,
    calibrate,
    equilibrium,
    fit_gb2,
    from_incomes,
    from_quantiles,
    gb2,
    gini,
    grid_response,
    logit_probabilities,
    lognormal,
    lognormal_pareto,
    pareto,
    settle,
    stratified,
    uniform,
    us_federal,
)
from econjax.measures.progressivity import kakwani, reynolds_smolensky, suits
from econjax.optimal.formulas import pareto_index
from econjax.populations.distributions import GB2_ACS_2023
from econjax.populations.empirical import Quantiles
from econjax.welfare.inequality import atkinson_index, lorenz, theil_l, theil_t, top_share

LAW = BracketSchedule([0, 1e4], [0.1, 0.3])
INF, NAN = np.inf, np.nan


def economy(skill=None, **options):
    population = Population([500.0, 1000.0] if skill is None else skill)
    return Economy(population=population, preferences=Quasilinear(0.3), **options)


# What is called, and what its one-line error tells.
REFUSED = {
    "elasticity inf": (lambda: Quasilinear(INF), "elasticity must be a finite number"),
    "elasticity 0": (lambda: Quasilinear(0), "elasticity must be a positive number"),
    "elasticity nan": (lambda: Quasilinear(NAN), "elasticity must be a positive number"),
    "own elasticities inf": (
        lambda: Population([1.0], elasticity=[INF]),
        "elasticity must be finite",
    ),
    "GHH curvature inf": (lambda: GHH(INF, elasticity=0.3), "curvature must be a finite"),
    "GHH elasticity inf": (lambda: GHH(2, elasticity=INF), "elasticity must be a finite"),
    "exponent inf": (lambda: Isoelastic(2, exponent=INF, scale=1), "exponent .* finite"),
    "scale inf": (lambda: Isoelastic(2, exponent=3, scale=INF), "scale must be a finite"),
    "unit inf": (lambda: Isoelastic(2, exponent=3, scale=1, unit=INF), "unit.* finite"),
    "log-linear scale inf": (lambda: LogLinearSchedule(INF, 0.1), "scale must be a finite"),
    "progressivity -inf": (lambda: LogLinearSchedule(1, -INF), "progressivity must be a finite"),
    "skill inf": (lambda: Population([INF]), "skill must be finite"),
    "skill nan": (lambda: Population([NAN]), "skill must be finite"),
    "skill negative": (lambda: Population([-1.0]), "skill must be finite and 0 or more"),
    "nobody": (lambda: Population([]), "flat arrays of one length"),
    "weights that are counts": (lambda: Population([1.0, 2.0], weight=[1, 2]), "divide by"),
    "spending inf": (lambda: economy(spending=INF), "spending must be a finite"),
    "floor inf": (lambda: economy(consumption_floor=INF), "-inf for none"),
    "week of 0": (lambda: economy(max_labor=0), "max_labor must be a positive"),
    "aversion inf": (lambda: Atkinson(INF), "aversion must be finite"),
    "Atkinson floor inf": (lambda: Atkinson(1, floor=INF), "floor.* finite"),
    "temperature inf": (lambda: Rawlsian(INF), "temperature must be a finite"),
    "InverseIncome floor inf": (lambda: InverseIncome(INF), "floor.* finite"),
    "social weight negative": (lambda: WeightedUtilitarian([-1.0]), "0 or more"),
    "bounds nan": (lambda: RateBounds(NAN), "between -1 and 1"),
    "rebate nan": (lambda: best_response(economy(), LAW, NAN), "rebate"),
    "one hour for two": (lambda: settle(economy(), LAW, jnp.ones(1)), "one entry for each of 2"),
    "bandwidth inf": (lambda: equilibrium(economy(), LAW, bandwidth=INF), "bandwidth .* finite"),
    "a grid that falls": (lambda: grid_response(economy(), LAW, grid=[40, 20]), "rising"),
    "logit at 0": (lambda: logit_probabilities(economy(), LAW, temperature=0), "positive"),
    "all is taken": (
        lambda: calibrate(Population([1.0]), BracketSchedule([0], [1.0])),
        "rates below 100 %",
    ),
    "gb2 of nobody": (lambda: gb2(0), "at least one"),
    "lognormal inf": (lambda: lognormal(3, median=INF, sigma=1), "median must be positive"),
    "pareto tie": (lambda: pareto(3, minimum=1, index=2, maximum=1), "maximum must exceed"),
    "lognormal-Pareto 0": (lambda: lognormal_pareto(3, scale=0, sigma=1, index=2), "scale"),
    "uniform tie": (lambda: uniform(3, low=1, high=1), "low < high"),
    "strata tie": (
        lambda: stratified(3, distribution=GB2_ACS_2023, edges=[1, 1]),
        "edges are dollars",
    ),
    "classes without people": (lambda: fit_gb2([0, 1, 2], [0, 0, 0]), "five classes"),
    "losses": (lambda: from_incomes([1.0, -5.0]), "leave out -5.0, entry 1; .*`losses`"),
    "nan income": (lambda: from_incomes([1.0, NAN], losses="zero"), "leave out nan"),
    "only losses": (lambda: from_incomes([-5.0], losses="left out"), "positive weight"),
    "no records": (lambda: from_incomes([]), "positive weight"),
    "quantiles all 0": (lambda: from_quantiles(2, shares=[0.1, 0.5], incomes=[0, 0]), "two"),
    "quantiles that fall": (lambda: from_quantiles(2, shares=[0.1, 0.5], incomes=[2, 1]), "fall"),
    "shares tie": (lambda: from_quantiles(2, shares=[0.5, 0.5], incomes=[1, 2]), "shares must"),
    "negative quantile": (lambda: from_quantiles(2, shares=[0.1, 0.5], incomes=[-1, 2]), "fall"),
    "gini of nobody": (lambda: gini([]), "one entry per worker"),
    "gini of a mean of 0": (lambda: gini([-1.0, 1.0]), "mean must be above 0"),
    "gini, no weight": (lambda: gini([1.0, 2.0], [0, 0]), "above 0 for somebody"),
    "gini, weight nan": (lambda: gini([1.0, 2.0], [NAN, 1]), "finite"),
    "theil of a loss": (lambda: theil_t([-1.0, 3.0]), "0 or more"),
    "suits of a loss": (lambda: suits([-1.0, 3.0], [0.0, 1.0]), "use `kakwani`"),
    "suits without taxes": (lambda: suits([1.0, 3.0], [0.0, 0.0]), "mean tax"),
    "kakwani of rebates": (lambda: kakwani([1.0, 3.0], [-1.0, 1.0]), "gross of any rebate"),
    "top 200 %": (lambda: top_share([1.0], top=2.0), "share of people"),
    "pareto index of inf": (lambda: pareto_index(jnp.array([1.0, INF]), 0.5), "finite"),
    "law of 1800": (lambda: us_federal(1800), "No federal schedule"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_outside_the_domain_is_refused_in_one_line(name):
    call, told = REFUSED[name]
    with pytest.raises(ValueError, match=told) as error:
        call()
    assert "\n" not in str(error.value)


KEPT = {
    "one person": (lambda: gini([5.0]), 0),
    "one person, sample": (lambda: gini([5.0], sample=True), 0),
    "all have nothing": (lambda: gini([0.0, 0.0]), 0),
    "ties": (lambda: gini([3.0, 3.0, 3.0], sample=True), 0),
    "one has all": (lambda: gini([0.0, 0.0, 1.0], sample=True), 1),
    "one has all, by shares": (lambda: gini([0.0, 1.0], [0.5, 0.5], sample=True), 1),
    "one has all, by counts": (lambda: gini([0.0, 1.0], [7, 7], sample=True), 1),
    "no weight is nobody": (lambda: gini([1.0, 3.0, 1e30], [0.5, 0.5, 0]), 0.25),
    "huge": (lambda: gini([1e30, 3e30]), 0.25),
    "tiny": (lambda: gini([1e-30, 3e-30]), 0.25),
    "atkinson, one without a dollar": (lambda: atkinson_index([0.0, 1.0], aversion=1), 1),
    "theil L, one without a dollar": (lambda: theil_l([0.0, 1.0]), INF),
    "theil T, one without a dollar": (lambda: theil_t([0.0, 1.0]), np.log(2)),
    "lorenz of one": (lambda: lorenz([5.0])[1][-1], 1),
    "top of one": (lambda: top_share([5.0], top=0.5), 0.5),
    "suits of one": (lambda: suits([5.0], [1.0]), 0),
    "a flat tax": (lambda: reynolds_smolensky([0.0, 4.0], [0.0, 1.0]).effect, 0),
    "nobody above": (lambda: pareto_index(jnp.array([1.0, 2.0]), 2.0), INF),
    "losses as zero": (lambda: from_incomes([-5.0, 80.0], losses="zero").skill.sum(), 2),
    "losses left out": (
        lambda: from_incomes([-5.0, 80.0], weight=[3, 1], losses="left out").weight.sum(),
        1,
    ),
    "no skill, calibrated": (lambda: calibrate(Population([0.0, 9.0]), LAW).taste[0], 1),
    "no skill does not work": (lambda: best_response(economy([0.0, 9.0]), LAW)[0], 0),
    "skill next to 0": (lambda: best_response(economy([1e-37, 9.0]), LAW)[1], None),
    "a very high elasticity": (
        lambda: best_response(
            Economy(population=Population([9.0]), preferences=Quasilinear(1e6)), LAW
        )[0],
        0,
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_at_the_edge_of_the_domain_the_definition_holds(name, eps):
    call, expected = KEPT[name]
    found = float(call())
    assert not np.isnan(found)
    if expected is not None:
        assert found == pytest.approx(expected, abs=100 * eps)


def test_a_samples_gini_is_the_mean_distance_of_distinct_entries(eps):
    values, weight = np.array([1.0, 4.0, 4.0, 9.0]), np.array([0.1, 0.2, 0.3, 0.4])
    pairs = np.outer(weight, weight) * (1 - np.eye(4))
    distance = np.sum(pairs * np.abs(values[:, None] - values)) / pairs.sum()
    expected = distance / (2 * weight @ values)
    for unit in (1.0, 1e6):
        assert gini(values, unit * weight, sample=True) == pytest.approx(expected, rel=100 * eps)


def test_quantiles_may_tie_and_begin_at_zero(x64):
    shares, incomes = [0.1, 0.25, 0.5, 0.75, 0.9], [0.0, 0.0, 2e4, 2e4, 6e4]
    known = Quantiles(shares, incomes)
    at = np.array([0.01, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9])
    found = known.quantile(at)
    np.testing.assert_allclose(found[[0, 1, 2]], 0)
    np.testing.assert_allclose(found[[4, 5, 6, 7]], [2e4, 2e4, 2e4, 6e4], rtol=1e-12)
    assert 0 < found[3] <= 2e4
    np.testing.assert_allclose(known.cdf([0.0, 6e4]), [0.25, 0.9], atol=1e-9)
    assert known.cdf(2e4) == pytest.approx(0.75, abs=1e-6)
    grid = (np.arange(400_000) + 0.5) / 400_000
    cut = Quantiles([0.2, 0.5, 0.8], [0.0, 2e4, 3e4])
    assert cut.mean == pytest.approx(cut.quantile(grid).mean(), rel=2e-3)
    workers = from_quantiles(20, shares=shares, incomes=incomes)
    assert np.mean(np.asarray(workers.skill) == 0) == 0.25


@pytest.mark.parametrize(
    "preferences",
    [
        Quasilinear(0.25),
        Quasilinear(1e6),
        Quasilinear(1e-6),
        Isoelastic(2, exponent=3, scale=1e-6, unit=1e4),
        Isoelastic(4, exponent=3, scale=1e-6, unit=1e4),
        Isoelastic(1, exponent=2, scale=1e-2),
        Isoelastic(4, exponent=2, scale=1e-6),
    ],
    ids=[
        "usual",
        "next to endless",
        "next to none",
        "isoelastic",
        "averse",
        "isoelastic, in dollars",
        "averse, in dollars",
    ],
)
@pytest.mark.parametrize("edge", [1e-36, 1e-30, 1e2, 1e30])
def test_at_the_edge_of_the_format_no_gradient_is_nan(preferences, edge):
    population = Population([edge, 500.0, 1000.0])
    economy = Economy(population=population, preferences=preferences)

    def rebate(schedule, economy):
        return equilibrium(economy, schedule).outcome.rebate

    schedule = BracketSchedule([0, 1e4], [-0.1, 0.4])
    slopes = jax.grad(rebate, argnums=(0, 1))(schedule, economy)
    assert all(np.all(np.isfinite(slope)) for slope in jax.tree.leaves(slopes))


def test_a_threshold_that_nobody_reaches_does_not_matter(eps):
    workers = Economy(population=gb2(50), preferences=Quasilinear(0.25))
    law = BracketSchedule([0, 1e4], [0.1, 0.3])  # in this precision
    ends = [1e12, 1e25, 3e38] if eps > 1e-10 else [1e25, 1e200, 1.7e308]
    for rate in (0.0, 0.9, -1.0):
        for end in ends:
            beyond = BracketSchedule([0, 1e4, end], [0.1, 0.3, rate])
            for function in (equilibrium, lambda e, s: jax.grad(_paid, argnums=1)(e, s).rates[:2]):
                one, other = function(workers, beyond), function(workers, law)
                one, other = (getattr(x, "rebate", x) for x in (one, other))
                np.testing.assert_allclose(one, other, rtol=200 * eps)


def _paid(economy, schedule):
    return equilibrium(economy, schedule).outcome.rebate


def test_every_public_function_states_what_it_refuses_or_gives():
    for name in econjax.__all__:
        thing = getattr(econjax, name)
        if callable(thing):
            assert thing.__doc__, name
