import io
import json

import pytest
from rich.console import Console

from experiments.compare.archetypes import as_dict, stand_in_lines
from experiments.compare.config import CompareConfig
from experiments.compare.crews import Players
from experiments.compare.run import compare
from experiments.compare.tables import Compared, print_compared

TITLE = "Atkinson, aversion 1 (workers of the formula)"


def config(**choices):
    usual = {
        "workers": ("llm",),
        "worker_model": ("formula",),
        "welfare": ("atkinson",),
        "planners": ("federal", "flat"),
        "uninformed": False,
        "agents": 400,
        "archetypes": 32,
        "audited": 32,
        "evaluations": 1,
        "tax_year": 2,
        "repetitions": 1,
    }
    return CompareConfig(**usual | choices)


@pytest.fixture(scope="module")
def comparison():
    return compare(config(), Players(workers=(None,)), lambda *call: None)


def test_workers_are_drawn_from_archetypes_whose_calls_the_rows_count(comparison):
    few = comparison.stand_ins[TITLE]
    assert few.archetypes <= 32
    assert few.decisions == 8 * 400  # two planners, an evaluation and a year each, of two steps
    assert [row.calls for row in comparison.tables[TITLE]] == [4 * few.archetypes] * 2
    assert comparison.sizes[TITLE].startswith("400 language-model workers")
    assert few.certificate is not None
    assert few.certificate.calls == 4 * few.certificate.asked


def test_what_they_took_and_err_by_stands_below_the_table(comparison):
    console = Console(width=200, record=True, file=io.StringIO())
    print_compared(Compared(comparison, {}, 1, 15_060.0), console)
    printed = " ".join(console.export_text().split())
    few = comparison.stand_ins[TITLE]
    assert f"{few.archetypes} archetypes in 4 cells" in printed
    assert "a second" in printed
    assert f"{few.certificate.asked} workers asked one by one" in printed
    assert "the equivalent $" in printed
    assert len(stand_in_lines(few._replace(certificate=None))) == 1


def test_figures_are_ready_for_json(comparison):
    figures = json.loads(json.dumps(as_dict(comparison.stand_ins[TITLE])))
    assert figures["certificate"]["total"]["divergence"]["low"] >= 0
    assert sum(figures["certificate"]["hours"]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"workers": ("rational",), "worker_model": ()}, "give --workers llm"),
        ({"mode": "text", "worker_model": ()}, "with --mode choice"),
        ({"agents": 32}, "ask each: leave out --archetypes"),
        ({"agents": None}, "ask each: leave out --archetypes"),
        ({"archetypes": 4}, "--archetypes must be at least 16"),
        ({"archetype_error": 2.0}, "--archetype-error is from 0 to 1"),
        ({"audited": 5}, "--audited must be at least 32"),
    ],
)
def test_archetypes_that_make_no_sense_are_refused(choices, message):
    with pytest.raises(ValueError, match=message):
        config(**choices).check()


def test_questions_do_not_depend_on_the_number_of_workers():
    assert config(agents=10**6).questions == config().questions
    assert config(archetypes=None).questions > config().questions
