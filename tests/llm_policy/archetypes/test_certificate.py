from dataclasses import replace

import jax
import numpy as np
import pytest

from econjax import Atkinson, Economy, Quasilinear, Rawlsian, calibrate, gb2, us_federal
from experiments.tools.archetype_truth import formula_chances
from llm_policy.archetypes.cells import PersonCells
from llm_policy.archetypes.certificate import certify_bias, mixed_chances
from llm_policy.archetypes.crowd import crowd_of
from llm_policy.archetypes.lives import FewAnswers, begun
from llm_policy.archetypes.sampling import replicates, sample_of
from llm_policy.archetypes.society import ArchetypeSociety, archetypes_of, spoken_for
from llm_policy.audit.variation import jensen_shannon
from llm_policy.people import makes_models

LAW = us_federal(2024)
KEY = jax.random.key(0)


by_formula = makes_models(None)


def crowd_with(agents, key=KEY):
    population = calibrate(gb2(agents), LAW)
    return crowd_of(key, Economy(population=population, preferences=Quasilinear(0.25)))


def test_the_formula_computed_for_all_is_what_its_workers_answer():
    crowd = crowd_with(60)
    workers = by_formula(crowd)
    state = begun(workers, LAW, np.float32(9_000.0)).next_year(LAW)
    workers.labor(KEY, state.situation("exploit"), state.memory)
    np.testing.assert_allclose(
        workers.chances.probabilities, formula_chances(crowd, LAW), rtol=1e-3, atol=1e-6
    )


def test_chances_between_two_archetypes_are_mixed_by_how_near_each_is():
    probabilities = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.5, 0.5, 0.0]])
    understood = np.array([True, True, True, False])
    answers = FewAnswers(probabilities, understood, np.zeros(4))
    found = mixed_chances(answers, np.array([0, 1, 1, 2, 2]), np.array([0.25, 0, 1, 0.25, 0]))
    own = [[0.75, 0.25, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]]
    np.testing.assert_allclose(found, own)  # who was not understood is none to be mixed with


def test_a_sample_is_of_all_strata_and_its_weights_are_those_of_the_crowd():
    crowd = crowd_with(20_000)
    sample = sample_of(KEY, crowd, 200)
    assert len(set(sample.place.tolist())) == len(sample.place) == 194
    assert sample.weight.sum() == pytest.approx(1)
    for number, share in ((0, 0.01), (sample.stratum.max(), 0.01)):
        here = sample.stratum == number
        assert here.sum() == 25
        assert sample.weight[here].sum() == pytest.approx(share, rel=1e-3)
    assert (sample.place[sample.stratum == 0] < 200).all()
    rank = sample.place / 20_000  # its mean is known: a half
    assert abs(sample.weight @ rank - 0.5) < 0.01


def test_tails_that_are_small_are_asked_one_and_all():
    sample = sample_of(KEY, crowd_with(1_000), 160)
    whole = sample.taken == 1
    assert set(sample.place[whole]) == {*range(10), *range(990, 1_000)}
    again = replicates(KEY, sample, 50)
    np.testing.assert_allclose(again[:, whole], sample.weight[whole][None].repeat(50, 0), rtol=0.02)
    with pytest.raises(ValueError, match="at least 32"):
        sample_of(KEY, crowd_with(1_000), 10)


@pytest.mark.parametrize(("agents", "size"), [(20_000, 120), (400, 200)], ids=["few", "half"])
def test_replicates_vary_as_samples_do(agents, size):
    crowd = crowd_with(agents)
    values = np.random.default_rng(0).normal(size=agents)
    samples = [sample_of(jax.random.key(seed), crowd, size) for seed in range(200)]
    spread = np.std([one.weight @ values[one.place] for one in samples])
    again = [np.std(replicates(KEY, one, 200) @ values[one.place]) for one in samples[:20]]
    assert np.mean(again) == pytest.approx(spread, rel=0.15)


@pytest.fixture(scope="module")
def certified():
    """Certificates of crowds with other people each, and what is true of each."""
    found = []
    for seed in range(6):
        crowd = crowd_with(1_200, jax.random.key(seed))
        few = archetypes_of(crowd, by_formula, LAW, most=32, tolerance=0.01)
        society = ArchetypeSociety(few, Atkinson(1.0))
        certificate = certify_bias(jax.random.key(seed), society, LAW, steps=1, audited=96)
        chances = formula_chances(crowd, LAW)
        weight = np.asarray(crowd.economy.population.weight, float)
        found.append((certificate, crowd, weight @ chances, chances @ np.arange(0.0, 101, 10)))
    return found


def test_intervals_cover_the_truth(certified):
    covered = []
    for certificate, crowd, hours, labor in certified:
        skill = np.asarray(crowd.economy.population.skill, float)
        weight = np.asarray(crowd.economy.population.weight, float)
        here = certificate.hours @ np.arange(0.0, 101, 10)
        total = certificate.total.divergence
        covered += [
            total.low <= jensen_shannon(certificate.hours, hours) <= total.high,
            certificate.labor.low <= weight @ labor - here <= certificate.labor.high,
        ]
        assert certificate.income.high - certificate.income.low < 0.1 * (weight @ (skill * labor))
    assert sum(covered) >= 10  # of 12; 11.4 expected


def test_the_sample_corrects_what_archetypes_err_by(certified):
    errors = [
        (jensen_shannon(c.hours, hours), jensen_shannon(c.corrected, hours))
        for c, _, hours, _ in certified
    ]
    plain, corrected = np.mean(errors, axis=0)
    assert corrected < plain


def test_parts_of_the_error_are_told_apart():
    """Where everybody has the persona of a cell of one, or a node, the respective part is none."""
    crowd = crowd_with(60)
    each = PersonCells(np.arange(60), np.arange(60))
    alone = archetypes_of(crowd, by_formula, LAW, most=60, cells=each)
    exact = certify_bias(KEY, ArchetypeSociety(alone, Rawlsian()), LAW, steps=1, audited=60)
    assert exact.welfare is None  # no sample knows the worst off
    assert exact.persons.divergence.value < 1e-9
    together = PersonCells(np.zeros(60, int), np.array([30]))
    all_skills = archetypes_of(crowd, by_formula, LAW, most=64, cells=together)
    typical = np.full(60, 30)
    workers = by_formula(spoken_for(crowd, all_skills.nodes.place, typical))
    alike = replace(all_skills, speaker=typical, workers=workers)
    other = certify_bias(KEY, ArchetypeSociety(alike, Rawlsian()), LAW, steps=1, audited=60)
    assert other.skills.divergence.value < 1e-9
    assert other.persons.divergence.value > 1e-4
    assert other.calls == 2 * other.asked
