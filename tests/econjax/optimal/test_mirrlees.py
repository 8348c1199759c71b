import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import ndtri

from econjax import (
    Atkinson,
    BracketSchedule,
    Economy,
    InverseIncome,
    Isoelastic,
    Population,
    Quasilinear,
    Rawlsian,
    Utilitarian,
)
from econjax.optimal.mirrlees import mirrlees_bound, mirrlees_continuum
from econjax.optimal.mirrlees_separable import LogLeisure, PowerDisutility, mirrlees_separable
from tests.helpers.laboratory import economy_of, equivalent, float64, welfare_of
from tests.helpers.reference import (
    QUANTILES,
    THRESHOLDS,
    continuum,
    gb2_quantile,
    grid,
    lognormal_quantile,
    pareto_quantile,
)
from tests.helpers.reference import solve as reference_solve

INCOMES = np.array([5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 500, 1000, 2000]) * 1e3
# Oracles, section 2.1: economy, elasticity, aversion, marginal rates there, u(lowest), EDE, mean
# income.
CONTINUUM = [
    ("GB2", 0.25, 1,
     ".609547 .591733 .563531 .544379 .526111 .523884 .530088 .546122 .559341 .576829 "
     ".594326 .609879 .618666", 27214.6226, 40926.7346, 48600.6984),
    ("GB2", 0.25, 2,
     ".697559 .680490 .652842 .633287 .612268 .604595 .604720 .609695 .614251 .619836 "
     ".624405 .627214 .628134", 29859.2027, 39227.3727, 46517.9329),
    ("GB2", 0.25, np.inf,
     ".955578 .919978 .858943 .810066 .742687 .696204 .671690 .649569 .640665 .633936 "
     ".630420 .628960 .628610", 33677.0521, 33677.0521, 42096.3151),
    ("GB2", 0.4, 1,
     ".533725 .512539 .479827 .457927 .436261 .430959 .434609 .446794 .457407 .471712 "
     ".486135 .498926 .506082", 22019.2381, 35504.9025, 46543.0617),
    ("GB2", 0.4, 2,
     ".628481 .606589 .572048 .547951 .521150 .508702 .505313 .505568 .507269 .509787 "
     ".511979 .513333 .513770", 24479.2786, 33602.0818, 43962.4074),
    ("GB2", 0.4, np.inf,
     ".914252 .857963 .772516 .710869 .632857 .582711 .557272 .534853 .525965 .519298 "
     ".515831 .514395 .514050", 27926.4801, 27926.4801, 39097.0721),
    ("GB2", 0.5, 1,
     ".494774 .472199 .437913 .415223 .392594 .386146 .388655 .398951 .408222 .420854 "
     ".433655 .445009 .451343", 19624.2077, 32702.4326, 45604.7132),
    ("GB2", 0.5, 2,
     ".591143 .566897 .529343 .503471 .474522 .460230 .455427 .453768 .454334 .455673 "
     ".457001 .457861 .458144", 21952.7293, 30755.4420, 42792.6764),
    ("GB2", 0.5, np.inf,
     ".884287 .816964 .720973 .655130 .574979 .525031 .500110 .478364 .469797 .463391 "
     ".460067 .458691 .458361", 25177.3333, 25177.3333, 37766.0000),
    ("LN", 0.25, 1,
     ".383200 .417289 .446262 .458833 .468388 .470283 .468464 .461630 .454045 .440168 "
     ".418852 .386575 .354175", 25060.9227, 47612.0701, 56730.0953),
    ("LN", 0.25, 2,
     ".498457 .531162 .555652 .563847 .565583 .559108 .550107 .531587 .514947 .488099 "
     ".451838 .404436 .363089", 29358.6041, 45781.0682, 54286.1663),
    ("LN", 0.25, np.inf,
     ".975214 .934956 .862426 .807377 .732255 .673212 .633440 .581586 .548066 .505412 "
     ".458745 .406172 .363488", 38499.3178, 38499.3178, 48124.1473),
    ("LN", 0.4, 1,
     ".318368 .347190 .369672 .377830 .381394 .378533 .373560 .362895 .353188 .337329 "
     ".315265 .284689 .256107", 19815.9490, 41747.5238, 55021.1941),
    ("LN", 0.4, 2,
     ".432198 .460812 .478841 .481833 .475648 .462351 .448698 .424644 .405226 .376428 "
     ".340771 .297745 .262381", 23752.5208, 39705.1771, 51964.5538),
    ("LN", 0.4, np.inf,
     ".939013 .873418 .774208 .706162 .619384 .555037 .513379 .460978 .428218 .387758 "
     ".345029 .298761 .262610", 32171.8003, 32171.8003, 45040.5204),
    ("LN", 0.5, 1,
     ".288144 .314117 .333274 .339332 .340301 .335625 .329605 .317913 .307838 .291978 "
     ".270683 .242148 .216194", 17473.2758, 38651.2693, 54252.8533),
    ("LN", 0.5, 2,
     ".399504 .425599 .440031 .440398 .430649 .414735 .399599 .374276 .354636 .326441 "
     ".292681 .253165 .221415", 21173.3829, 36565.1150, 50906.6595),
    ("LN", 0.5, np.inf,
     ".910390 .831724 .721622 .649542 .560457 .496159 .455281 .404687 .373524 .335537 "
     ".296025 .253950 .221590", 29118.3274, 29118.3274, 43677.4911),
]  # fmt: skip


@pytest.mark.parametrize("row", CONTINUUM, ids=lambda row: "-".join(map(str, row[:3])))
def test_the_continuum_optimum(row):
    name, elasticity, aversion, rates, lowest, ede, mean = row
    found = mirrlees_continuum(QUANTILES[name], elasticity=elasticity, welfare=welfare_of(aversion))
    assert found.monotone
    np.testing.assert_allclose(
        found.marginal_rate(INCOMES), np.array(rates.split(), float), atol=5.1e-7
    )
    assert found.equivalent == pytest.approx(ede, abs=5.1e-5)
    assert found.mean_income == pytest.approx(mean, abs=5.1e-5)
    if aversion == np.inf:  # identity 6 of section 1, for every distribution
        assert found.lowest == pytest.approx(found.mean_income / (1 + elasticity), rel=1e-11)
    # The lognormal figures stop at types near $6, whose rents of up to $5 are in them; here types
    # go on to 0.
    assert found.lowest == pytest.approx(
        lowest, abs=5.1e-5 if name == "GB2" or aversion == np.inf else 5
    )


# Oracles, section 1c: economy, elasticity, income, marginal rate at the log optimum.
PRECISE = [
    ("GB2", 0.25, 19896.91, 0.56377291),
    ("GB2", 0.25, 100006.53, 0.53008957),
    ("GB2", 0.25, 299148.50, 0.57671668),
    ("LN", 0.25, 19985.36, 0.44623552),
    ("LN", 0.25, 300361.32, 0.44012219),
    ("LN", 0.50, 19956.15, 0.33322918),
    ("LN", 0.50, 300415.26, 0.29192117),
]


@pytest.mark.parametrize(("name", "elasticity", "income", "rate"), PRECISE)
def test_rates_to_eight_digits(name, elasticity, income, rate):
    found = mirrlees_continuum(QUANTILES[name], elasticity=elasticity, welfare=welfare_of(1))
    assert found.marginal_rate(income) == pytest.approx(rate, abs=1e-8)


@pytest.mark.parametrize(("index", "elasticity"), [(2.0, 0.25), (1.6, 0.5), (1.5, 0.4)])
def test_pareto_and_rawls_make_a_flat_tax(index, elasticity):
    found = mirrlees_continuum(
        pareto_quantile(8000.0, index), elasticity=elasticity, welfare=Rawlsian()
    )
    # Identity 6 of section 1. Types near the lowest differ by too little for nine digits.
    np.testing.assert_allclose(
        found.rate[found.below > 1e-3], 1 / (1 + index * elasticity), rtol=1e-9
    )
    np.testing.assert_allclose(found.rate, 1 / (1 + index * elasticity), atol=1e-6)
    expected = {2.0: 9725.89677634, 1.6: 9481.48148148}  # section 2.5
    if index in expected:
        assert found.lowest == pytest.approx(expected[index], rel=1e-11)


def test_bounded_pareto_and_rawls():
    # Identity 6: t / (1 - t) = (1 - (n / H)^a) / (a e), and zero at the top.
    index, elasticity = 1.5, 0.25
    found = mirrlees_continuum(QUANTILES["BP"], elasticity=elasticity, welfare=Rawlsian())
    n = found.income / (1 - found.rate) ** elasticity
    odds = (1 - (n / 2_000_000) ** index) / (index * elasticity)
    inside = found.below > 1e-3
    np.testing.assert_allclose(found.rate[inside], (odds / (1 + odds))[inside], atol=1e-9)


def test_without_aversion_there_is_no_tax():
    found = mirrlees_continuum(
        gb2_quantile, elasticity=0.25, welfare=Utilitarian(), spending=1000.0
    )
    np.testing.assert_allclose(found.rate, 0, atol=1e-12)
    # E[n] / (1 + e), section 2.5.
    assert found.equivalent == pytest.approx(47399.363059 - 1000, abs=1e-5)


# Oracles, section 2.1: EDE and utility of the lowest on quantile grids.
GRIDS = [
    ("GB2", 0.25, 1000, 41079.737444, 27462.9796),
    ("GB2", 0.25, 5000, 40992.092416, 27299.3472),
    ("GB2", 0.25, 20000, 40957.338480, 27249.0787),
    ("GB2", 0.40, 1000, 35648.408257, 22236.7057),
    ("GB2", 0.40, 5000, 35565.522965, 22093.5761),
    ("GB2", 0.40, 20000, 35533.132459, 22049.5512),
    ("LN", 0.25, 1000, 47717.632017, 27603.6840),
    ("LN", 0.25, 5000, 47641.971491, 26844.6858),
    ("LN", 0.25, 20000, 47621.760896, 26432.9079),
]


@pytest.mark.parametrize(("name", "elasticity", "n", "ede", "lowest"), GRIDS)
def test_the_bound_on_quantile_grids(x64, name, elasticity, n, ede, lowest):
    found = mirrlees_bound(economy_of(grid(name, n), elasticity), welfare_of(1))
    assert found.equivalent == pytest.approx(ede, abs=5.1e-7)
    assert found.utility[0] == pytest.approx(lowest, abs=5.1e-5)
    assert 0 <= found.gap < 1e-8
    assert found.pooled == 0
    assert np.all(np.diff(found.income) >= 0)


# Oracles, section 2.3: the bound, and the best seven brackets, which lie below it.
BOUNDS = [
    ("GB2", 0.25, 1, 40957.338, 40887.824421),
    ("GB2", 0.25, 2, 39260.074, 39187.034244),
    ("GB2", 0.25, np.inf, 33708.726, 33446.510760),
    ("GB2", 0.4, 1, 35533.132, 35472.279052),
    ("GB2", 0.5, 1, 32728.761, 32672.593644),
    ("LN", 0.25, 1, 47621.761, 47609.932270),
    ("LN", 0.25, 2, 45792.027, 45778.110336),
    ("LN", 0.25, np.inf, 38510.557, 38209.345708),
    ("LN", 0.4, 1, 41755.120, 41745.823597),
    ("LN", 0.5, 1, 38657.911, 38649.618464),
]


@pytest.mark.parametrize(("name", "elasticity", "aversion", "bound", "best"), BOUNDS)
def test_the_bound_of_the_gold_economies(x64, name, elasticity, aversion, bound, best):
    found = mirrlees_bound(economy_of(grid(name), elasticity), welfare_of(aversion))
    assert found.equivalent == pytest.approx(bound, abs=5.1e-4)
    assert found.equivalent > best


def test_in_single_precision():
    # The population is rounded to float32, the optimum is not.
    found = mirrlees_bound(economy_of(grid("GB2", 1000), 0.25), welfare_of(1))
    assert found.equivalent == pytest.approx(41079.737444, rel=1e-6)


def brute_force(n, weight, elasticity, aversion, spending=0.0):
    """Return the EDE by SLSQP on incomes and utilities, with incentive constraints both ways."""
    size, power = len(n), 1 + 1 / elasticity

    def cost(income, of):
        return of / power * (income / of) ** power

    def gains(x):
        income, utility = x[:size] * n, x[size:] * n.mean()
        consumption = utility + cost(income, n)
        mimicking = consumption[None, :] - cost(income[None, :], n[:, None])
        return ((utility[:, None] - mimicking)[~np.eye(size, dtype=bool)]) / n.mean()

    def surplus(x):
        income, utility = x[:size] * n, x[size:] * n.mean()
        return (weight @ (income - utility - cost(income, n)) - spending) / n.mean()

    def loss(x):
        utility = x[size:]
        if aversion == 1:
            return -weight @ np.log(utility)
        return -(weight @ utility ** (1 - aversion)) / (1 - aversion)

    start = np.append(np.full(size, 0.9), np.full(size, 0.3))
    constraints = [{"type": "ineq", "fun": gains}, {"type": "eq", "fun": surplus}]
    limits = [(1e-3, 2)] * size + [(1e-3, 20)] * size
    found = minimize(
        loss,
        start,
        method="SLSQP",
        bounds=limits,
        constraints=constraints,
        options=dict(maxiter=500, ftol=1e-13),
    )
    utility = found.x[size:] * n.mean()
    mean = np.exp(weight @ np.log(utility)) if aversion == 1 else 0.0
    return mean or (weight @ utility ** (1 - aversion)) ** (1 / (1 - aversion))


@pytest.mark.parametrize("aversion", [1, 2])
@pytest.mark.parametrize(
    ("n", "weight"),
    [
        ([20.0, 40, 60, 100, 180], [0.2, 0.2, 0.2, 0.2, 0.2]),
        (
            [20.0, 40, 41, 42, 180],
            [0.2, 0.3, 0.01, 0.29, 0.2],
        ),  # types so close that they are pooled
        ([20.0, 21, 60, 61, 62], [0.1, 0.4, 0.05, 0.4, 0.05]),
    ],
    ids=["apart", "pooled", "pooled twice"],
)
def test_the_bound_is_what_brute_force_finds(x64, n, weight, aversion):
    n, weight = 1000 * np.array(n), np.array(weight)
    found = mirrlees_bound(economy_of(n, 0.5, weight=weight, spending=500.0), welfare_of(aversion))
    expected = brute_force(n, weight, 0.5, aversion, spending=500.0)
    assert found.equivalent == pytest.approx(expected, rel=1e-7)
    assert (found.pooled > 0) == (n[2] - n[1] < 2000 or n[1] - n[0] < 2000)


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.floats(0.1, 1.0), st.sampled_from([0.5, 1.0, 2.0, np.inf]))
def test_no_schedule_is_above_the_bound(seed, elasticity, aversion):
    draw = np.random.default_rng(seed)
    n, rates = np.sort(draw.lognormal(10.5, 0.8, 40)), draw.uniform(0, 1, 7)
    weight = draw.dirichlet(np.ones(40))
    with float64():
        found = mirrlees_bound(economy_of(n, elasticity, weight=weight), welfare_of(aversion))
    assert found.gap <= 1e-9 * found.equivalent
    for schedule in (rates, np.full(7, rates[0]), np.zeros(7)):
        tried = reference_solve(n, THRESHOLDS, schedule, elasticity, weight=weight)
        assert tried.equivalent(aversion) <= found.equivalent * (1 + 1e-12)
    # Every type prefers its own bundle to every other: some schedule brings this about.
    power = 1 + 1 / elasticity
    consumption = (
        found.utility + found.potential / power * (found.income / found.potential) ** power
    )
    cost = (
        found.potential[:, None]
        / power
        * (found.income[None, :] / found.potential[:, None]) ** power
    )
    assert np.all(consumption[None, :] - cost <= found.utility[:, None] * (1 + 1e-9))
    spent = found.weight @ (found.income - consumption)
    assert abs(spent) < 1e-9 * (found.weight @ found.income)


def test_who_the_workers_are_does_not_matter(x64):
    n, weight = grid("GB2", 200), np.full(200, 1 / 200)
    welfare = welfare_of(1)
    expected = mirrlees_bound(economy_of(n, 0.25), welfare).equivalent
    order = np.random.default_rng(0).permutation(200)
    twice = np.repeat(n, 2)
    unused = economy_of(np.append(n, 1e9), 0.25, weight=np.append(weight, 0.0))
    taste = np.linspace(0.5, 2, 200)
    population = Population(n / 40 * taste**0.25, taste=taste)
    tastes = Economy(population=population, preferences=Quasilinear(0.25), max_labor=jnp.inf)
    for economy in (economy_of(n[order], 0.25), economy_of(twice, 0.25), unused, tastes):
        assert mirrlees_bound(economy, welfare).equivalent == pytest.approx(expected, rel=1e-12)
    scaled = mirrlees_bound(economy_of(10 * n, 0.25), welfare).equivalent
    assert scaled == pytest.approx(10 * expected, rel=1e-12)


def test_people_who_cannot_work(x64):
    n, weight = np.array([0.0, 30_000, 60_000]), np.array([0.1, 0.5, 0.4])
    found = mirrlees_bound(economy_of(n, 0.5, weight=weight), welfare_of(1))
    almost = mirrlees_bound(economy_of(np.maximum(n, 1e-3), 0.5, weight=weight), welfare_of(1))
    assert found.income[0] == 0
    assert found.equivalent == pytest.approx(almost.equivalent, rel=1e-6)
    assert found.equivalent == pytest.approx(
        brute_force(np.maximum(n, 1.0), weight, 0.5, 1), rel=1e-4
    )


def test_limits_of_aversion(x64):
    economy = economy_of(grid("LN", 300), 0.4, spending=2000.0)
    none, worst = mirrlees_bound(economy, Utilitarian()), mirrlees_bound(economy, Rawlsian())
    assert none.equivalent == pytest.approx(np.mean(grid("LN", 300)) / 1.4 - 2000, rel=1e-12)
    assert mirrlees_bound(economy, welfare_of(1e-9)).equivalent == pytest.approx(
        none.equivalent, rel=1e-8
    )
    assert mirrlees_bound(economy, welfare_of(3000.0)).equivalent == pytest.approx(
        worst.equivalent, rel=3e-3
    )
    log = mirrlees_bound(economy, welfare_of(1)).equivalent
    for near in (1 - 1e-6, 1 + 1e-6):
        assert mirrlees_bound(economy, welfare_of(near)).equivalent == pytest.approx(log, rel=1e-6)
    values = [
        mirrlees_bound(economy, welfare_of(a)).equivalent for a in (0.0, 0.5, 1, 2, 10, np.inf)
    ]
    assert np.all(np.diff(values) < 0)


def test_grids_approach_the_continuum(x64):
    # What the gaps between finite types are worth is proportional to them.
    limit = mirrlees_continuum(gb2_quantile, elasticity=0.25, welfare=welfare_of(2)).equivalent

    def excess(points):
        n, weight = continuum(gb2_quantile, points)
        return mirrlees_bound(economy_of(n, 0.25, weight=weight), welfare_of(2)).equivalent - limit

    assert excess(4000) / excess(8000) == pytest.approx(2, rel=1e-2)


def test_where_the_bound_does_not_apply():
    workers = Population([500.0, 1000.0])
    isoelastic = Economy(population=workers, preferences=Isoelastic(1.0, exponent=3.0, scale=1e-6))
    with pytest.raises(ValueError, match="Quasilinear preferences, not Isoelastic"):
        mirrlees_bound(isoelastic, welfare_of(1))
    for field in ("elasticity", "fixed_cost", "other_income", "credit"):
        own = Population([500.0, 1000.0], **{field: [0.2, 0.3]})
        with pytest.raises(ValueError, match=f"leave out {field}"):
            mirrlees_bound(Economy(population=own, preferences=Quasilinear(0.25)), welfare_of(1))
    with pytest.raises(ValueError, match="Utilitarian, Atkinson and exact Rawlsian"):
        mirrlees_bound(economy_of([500.0, 1000.0], 0.25), InverseIncome(1.0))
    tastes = Population([1000.0, 408.0], taste=[1.0, 0.0256])
    tired = Economy(population=tastes, preferences=Quasilinear(0.25), max_labor=100.0)
    with pytest.raises(ValueError, match=r"skill rises with their type.*max_labor=jnp\.inf"):
        mirrlees_bound(tired, Rawlsian())
    with pytest.raises(ValueError, match=r"below the welfare function's floor of \$40,000\.00"):
        mirrlees_bound(economy_of([30e3, 50e3], 0.25), Atkinson(1.0, floor=4e4))
    with pytest.raises(ValueError, match=r"without a consumption floor, not \$60,000\.00"):
        mirrlees_bound(economy_of([30e3, 50e3], 0.25, consumption_floor=6e4), welfare_of(1))
    with pytest.raises(ValueError, match="positive utility"):
        mirrlees_bound(economy_of([500.0, 1000.0], 0.25, spending=5000.0), welfare_of(1))
    idle = Economy(
        population=Population([1.0, 2.0], taste=[1.0, 0.0]), preferences=Quasilinear(0.25)
    )
    with pytest.raises(ValueError, match="taste 0"):
        mirrlees_bound(idle, welfare_of(1))


@pytest.mark.parametrize("max_labor", [41.0, 20.0])
def test_a_longest_week_only_takes_choices_away(x64, max_labor):
    n = grid("LN", 50)
    free = mirrlees_bound(economy_of(n, 0.25), welfare_of(1)).equivalent
    capped = economy_of(n, 0.25, max_labor=max_labor)
    assert mirrlees_bound(capped, welfare_of(1)).equivalent == free
    for rate in (0.0, 0.4, 0.7):
        assert equivalent(capped, welfare_of(1), BracketSchedule([0.0], [rate]))[2] < free


def test_bad_input_of_the_continuum():
    with pytest.raises(ValueError, match="elasticity must be positive; got 0"):
        mirrlees_continuum(gb2_quantile, elasticity=0.0, welfare=welfare_of(1))
    with pytest.raises(ValueError, match="rising, positive and finite"):
        mirrlees_continuum(lambda below, above: 1e4 * above, elasticity=0.2, welfare=welfare_of(1))
    with pytest.raises(ValueError, match="may be infinite: use a thinner upper tail"):
        mirrlees_continuum(pareto_quantile(8000.0, 0.9), elasticity=0.25, welfare=Rawlsian())
    with pytest.raises(ValueError, match="below the welfare function's floor of \\$100,000"):
        mirrlees_continuum(gb2_quantile, elasticity=0.25, welfare=Atkinson(1.0, floor=1e5))
    found = mirrlees_continuum(pareto_quantile(8000.0, 2.0), elasticity=0.25, welfare=Rawlsian())
    with pytest.raises(ValueError, match="where people are, at incomes of"):
        found.marginal_rate(5000.0)


def test_types_that_would_have_to_be_pooled():
    # A sharp step in the types: rates must rise so fast there that incomes fall.
    def quantile(below, above):
        return 1e4 * np.exp(
            0.3 * np.log(below / above) / 3 + 0.5 * np.tanh(10 * np.log(below / above))
        )

    found = mirrlees_continuum(quantile, elasticity=0.5, welfare=Rawlsian())
    assert not found.monotone
    with pytest.raises(ValueError, match="Incomes fall with the type"):
        found.marginal_rate(1e4)


def truncated_lognormal(median, sigma):
    # Oracles, section 2.4: types between F = 1e-9 and 1 - 1e-9.
    inside = 1 - 2e-9
    scale = sigma / 0.75
    return lambda u, v: (
        median * (lognormal_quantile(1e-9 + inside * u, 1e-9 + inside * v) / 50000) ** scale
    )


# Oracles, section 2.4: median wage, curvature, scale, unit; rates at 10k to 1m, welfare, lowest
# consumption.
SEPARABLE = [
    (
        (1250.0, 1.0, 5.208333333333e-06, 1.0),
        [0.478419, 0.511386, 0.515068, 0.504677, 0.476888, 0.422226, 0.377040],
        (10.665251445, 5.1e-10),
        (26412.3, 0.051),
    ),
    (
        (0.125, 2.0, 1.041666666667e-06, 1e4),
        [0.621374, 0.644095, 0.639226, 0.608405, 0.545211, 0.433252, 0.356113],
        (0.75047378458, 5.1e-12),
        (2.94314, 5.1e-6),
    ),
]


@pytest.mark.parametrize(("economy", "rates", "welfare", "lowest"), SEPARABLE, ids=["C1", "C4"])
def test_the_optimum_with_income_effects(economy, rates, welfare, lowest):
    median, curvature, scale, unit = economy
    found = mirrlees_separable(
        truncated_lognormal(median, 0.75),
        curvature=curvature,
        disutility=PowerDisutility(scale, 3.0),
    )
    assert found.converged
    assert found.monotone
    incomes = np.array([1e4, 3e4, 5e4, 1e5, 2e5, 5e5, 1e6]) / unit
    np.testing.assert_allclose(found.marginal_rate(incomes), rates, atol=5.1e-7)
    assert found.welfare == pytest.approx(welfare[0], abs=welfare[1])
    assert found.lowest == pytest.approx(lowest[0], abs=lowest[1])


def lognormal_wages(sigma):
    return lambda below, above: np.exp(sigma * np.where(below < 0.5, ndtri(below), -ndtri(above)))


WAGES = {
    "narrow": lognormal_wages(0.3),
    "wide": lognormal_wages(1.2),
    "Pareto": pareto_quantile(1.0, 3.0),
    "even": lambda below, above: 1 + below,
}


@pytest.mark.parametrize("exponent", [1.25, 1.5, 3.0])
@pytest.mark.parametrize("curvature", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("name", WAGES)
def test_ordinary_economies_converge(name, curvature, exponent):
    found = mirrlees_separable(
        WAGES[name], curvature=curvature, disutility=PowerDisutility(0.5, exponent)
    )
    assert found.converged
    assert found.monotone
    wage = found.income / found.labor
    worth = (1 - found.rate) * wage * found.consumption**-curvature
    inside = (found.below > 1e-6) & (found.below < 1 - 1e-6)
    np.testing.assert_allclose(
        worth[inside], (0.5 * exponent * found.labor ** (exponent - 1))[inside], rtol=1e-7
    )
    assert np.all((found.rate > -1e-9) & (found.rate < 1))


@pytest.mark.parametrize("scale", [1.0, 1e8])
def test_the_unit_of_labor_does_not_matter(scale):
    # V = scale l^3 is V = l^3 with labor and 1 / wages in another unit.
    found, same = (
        mirrlees_separable(
            lambda below, above, unit=unit: unit * lognormal_wages(0.5)(below, above),
            curvature=1.0,
            disutility=PowerDisutility(disutility, 3.0),
            spending=0.2,
        )
        for unit, disutility in ((scale ** (1 / 3), scale), (1.0, 1.0))
    )
    assert found.converged
    np.testing.assert_allclose(found.rate, same.rate, atol=1e-8)
    assert found.welfare == pytest.approx(same.welfare, abs=1e-9)


def test_what_does_not_converge_says_so():
    # E[1/U'(c)] is infinite for wages with a Pareto tail this thick.
    found = mirrlees_separable(
        pareto_quantile(1.0, 2.0), curvature=6.0, disutility=PowerDisutility(0.5, 9.0)
    )
    assert not found.converged
    assert found.gap > 1e-6


def test_the_separable_budget_and_the_workers_condition():
    disutility = PowerDisutility(5e-6, 3.0)
    found = mirrlees_separable(
        truncated_lognormal(1250.0, 0.6), curvature=1.5, disutility=disutility, spending=3000.0
    )
    weight = np.gradient(found.below)
    assert weight @ (found.income - found.consumption) == pytest.approx(3000, rel=2e-3)
    wage = found.income / found.labor
    kept = (1 - found.rate) * wage * found.consumption**-1.5
    np.testing.assert_allclose(kept, 3 * 5e-6 * found.labor**2, rtol=1e-8)


@pytest.mark.parametrize("disutility", [PowerDisutility(0.3, 2.5), LogLeisure()])
def test_disutilities(disutility):
    labor, step = np.array([0.2, 0.5, 0.8]), 1e-5
    slope = (disutility.value(labor + step) - disutility.value(labor - step)) / (2 * step)
    np.testing.assert_allclose(disutility.labor(slope), labor, rtol=1e-8)
    second = (
        disutility.value(labor + step)
        - 2 * disutility.value(labor)
        + disutility.value(labor - step)
    ) / step**2
    np.testing.assert_allclose(disutility.curvature(labor), labor * second / slope, rtol=1e-4)


def test_bad_input_of_the_separable_optimum():
    wages = truncated_lognormal(1250.0, 0.75)
    with pytest.raises(ValueError, match="curvature must be positive"):
        mirrlees_separable(wages, curvature=0.0, disutility=LogLeisure())
    with pytest.raises(ValueError, match="nothing to consume"):
        mirrlees_separable(
            wages, curvature=1.0, disutility=PowerDisutility(5e-6, 3.0), spending=1e6
        )
    with pytest.raises(ValueError, match="exponent > 1"):
        PowerDisutility(1.0, 1.0)
