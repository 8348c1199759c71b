import jax
import numpy as np
import pytest

from econjax import Economy, Quasilinear, calibrate, gb2, us_federal
from experiments.tools.archetype_truth import formula_chances
from llm_policy.archetypes import speakers
from llm_policy.archetypes.cells import features, person_cells
from llm_policy.archetypes.certificate import mixed_chances
from llm_policy.archetypes.crowd import crowd_of, personas_at
from llm_policy.archetypes.lives import ask, begun
from llm_policy.archetypes.nodes import Nodes, links_of, people_by_cell
from llm_policy.archetypes.society import spoken_for
from llm_policy.archetypes.speakers import speakers_of
from llm_policy.audit.variation import jensen_shannon
from llm_policy.people import makes_models

LAW = us_federal(2024)
AGENTS = 6_000


@pytest.fixture(scope="module")
def crowd():
    economy = Economy(population=calibrate(gb2(AGENTS), LAW), preferences=Quasilinear(0.25))
    return crowd_of(jax.random.key(0), economy)


@pytest.fixture(scope="module")
def few(crowd):
    """Four cells of 60 archetypes each, at skills of equal numbers of people."""
    cells = person_cells(crowd, 4)
    rows = [
        (number, members[at])
        for number, members in enumerate(people_by_cell(cells))
        for at in np.linspace(0, len(members) - 1, 60).astype(int)
    ]
    nodes = Nodes(*np.array(rows).T)
    return cells, nodes, links_of(crowd, cells, nodes)


def test_who_speaks_is_of_the_cell_and_between_the_skills_beside(crowd, few):
    cells, nodes, links = few
    speaker = speakers_of(crowd, cells, nodes, links)
    np.testing.assert_array_equal(cells.of[speaker], nodes.cell)
    own = links.left[speaker] + (links.share[speaker] == 1)
    assert np.isin(np.arange(len(speaker)) - own, [0, 1]).all()


def test_who_speaks_is_as_different_as_those_who_are_spoken_for(crowd, few):
    cells, nodes, links = few
    speaker = speakers_of(crowd, cells, nodes, links)
    x = features(crowd.personas)
    for number in range(4):
        all_of_it, spoken = x[cells.of == number], x[speaker[nodes.cell == number]]
        error = all_of_it.std(axis=0) / 60**0.5
        assert (np.abs(spoken.mean(axis=0) - all_of_it.mean(axis=0)) < 4 * error).all()
        differs = all_of_it.var(axis=0).argmax()
        assert spoken[:, differs].std() == pytest.approx(all_of_it[:, differs].std(), rel=0.15)


def test_hours_are_nearer_to_everybodys_than_those_of_the_most_typical(crowd, few):
    cells, nodes, links = few
    weight = np.asarray(crowd.economy.population.weight, float)
    true = weight @ formula_chances(crowd, LAW)

    def apart(speaker):
        workers = makes_models(None)(spoken_for(crowd, nodes.place, speaker))
        state = begun(workers, LAW, np.float32(9_000.0)).next_year(LAW)
        answers = ask(jax.random.key(0), workers, state.situation("exploit"), state.memory)
        return jensen_shannon(weight @ mixed_chances(answers, *links), true)

    typical = apart(cells.typical[nodes.cell])
    assert apart(speakers_of(crowd, cells, nodes, links)) < typical / 3


def test_of_many_people_few_are_looked_at(crowd, few, monkeypatch):
    cells, nodes, links = few
    looked = []

    def count(people):
        looked.append(len(people))
        return features(people)

    monkeypatch.setattr(speakers, "_HEARD", 10)
    monkeypatch.setattr(speakers, "features", count)
    speaker = speakers_of(crowd, cells, nodes, links)
    assert max(looked) <= 10
    np.testing.assert_array_equal(cells.of[speaker], nodes.cell)
    assert len(personas_at(crowd.personas, speaker)) == 240
