"""Effects and verdicts on figures whose truth is known."""

import numpy as np
import pytest

from experiments.report.paired import pairs_to_decide
from experiments.study.cells import StudyCell
from experiments.study.claims import judged
from experiments.study.document import Claim, RunList
from experiments.study.effects import level_effects

SEEDS = 12


def cells(*, effect=50.0, noise=10.0, seeds=SEEDS):
    """Return figures of two lengths, two rules and two planners: people differ a lot by seed."""
    rng = np.random.default_rng(3)
    people = rng.normal(1000, 300, seeds)
    return [
        StudyCell(
            {"length": str(length), "rule": rule, "planner": planner, "welfare": "rawlsian"},
            seed,
            people[seed]
            + effect * (length == 2)
            + 7 * (rule == "b")
            + 20 * (planner == "llm")
            + noise * rng.normal(),
        )
        for length in (1, 2)
        for rule in "ab"
        for planner in ("federal", "llm")
        for seed in range(seeds)
    ]


VARIED = RunList(command="compare", vary={"length": [1, 2], "rule": ["a", "b"]})


def test_a_factor_is_averaged_over_the_others_and_paired_by_seed():
    found = level_effects(VARIED, cells(noise=0.0))
    by_factor = {
        factor: {one.level: one for one in found if one.factor == factor}
        for factor in ("length", "rule", "planner")
    }
    gains = {"length": ("2", 50), "rule": ("b", 7), "planner": ("llm", 20)}
    for factor, (level, gain) in gains.items():
        one = by_factor[factor][level]
        assert one.difference is not None
        assert one.difference.pairs == SEEDS
        assert one.difference.mean == pytest.approx(gain)
        assert one.per_cent == pytest.approx(100 * gain / (one.mean - gain))
    assert len([one for one in found if one.factor == "planner"]) == 2 * 2 * 2


@pytest.mark.parametrize(("less", "unknown"), [(0, False), (1000, True)])
def test_nothing_is_a_share_of_what_may_be_0(less, unknown):
    some = [one._replace(value=one.value - less) for one in cells(noise=0.0)]
    found = [one for one in level_effects(VARIED, some) if one.difference is not None]
    assert {one.per_cent is None for one in found} == {unknown}


def test_a_stated_baseline_is_what_others_are_compared_with():
    some = RunList(command="compare", vary={"length": [1, 2]}, baseline={"length": 2})
    alike = [one for one in cells(noise=0.0) if one.where["rule"] == "a"]
    found = [one for one in level_effects(some, alike) if one.factor == "length"]
    assert {one.baseline for one in found} == {"2"}
    gains = [one.difference.mean for one in found if one.difference]
    np.testing.assert_allclose(gains, [-50, -50], rtol=1e-9)


def test_a_level_without_its_baseline_has_no_difference():
    some = [one for one in cells() if (one.where["length"] == "1") == (one.seed < 4)]
    assert all(
        one.difference is None for one in level_effects(VARIED, some) if one.factor == "length"
    )


def test_differences_of_a_table_are_corrected_together():
    found = [one.difference for one in level_effects(VARIED, cells(effect=0.0, noise=200.0))]
    assert all(one.p >= min(1.0, 0.05) for one in found if one)


LONG = {"of": {"length": 2}, "against": {"length": 1}}
VERDICTS = [
    (Claim("more", **LONG), "supported"),
    (Claim("less", direction="less", **LONG), "not supported"),
    (Claim("much more", by=200.0, **LONG), "not supported"),
    (Claim("about so much", by=50.0, **LONG), "undecided"),
    (Claim("3 % more", by=3.0, per_cent=True, **LONG), "supported"),
    (Claim("30 % more", by=30.0, per_cent=True, **LONG), "not supported"),
    (Claim("worth 100", by=100.0, of={"length": 1}), "supported"),
    (Claim("worth less", by=100.0, direction="less", of={"length": 1}), "not supported"),
    (Claim("nobody did it", of={"length": 3}, against={"length": 1}), "undecided"),
]


@pytest.mark.parametrize(
    ("claim", "verdict"), VERDICTS, ids=lambda each: getattr(each, "text", each)
)
def test_a_claim_gets_the_verdict_of_the_truth(claim, verdict):
    assert judged([claim], [cells()])[0].verdict == verdict


def test_an_undecided_claim_says_how_many_seeds_decide_it():
    gains = [-2.0, 6.0, 3.0, 1.0]
    here, there = (
        [StudyCell({"length": length}, seed, 100 + gain) for seed, gain in enumerate(some)]
        for length, some in (("2", gains), ("1", [0.0] * 4))
    )
    found = judged([Claim("more", **LONG)], [here + there])[0]
    assert found.verdict == "undecided"
    assert found.needed == pairs_to_decide(2.0, float(np.std(gains, ddof=1)))


def test_one_seed_decides_an_exact_claim_alone():
    claims = [Claim("by chance", **LONG), Claim("exact", exact=True, **LONG)]
    chance, exact = judged(claims, [cells(seeds=1)] * 2)
    assert (chance.verdict, exact.verdict) == ("undecided", "supported")
    assert "one seed" in chance.why


def test_more_claims_ask_for_more_evidence():
    claim, some = Claim("more", **LONG), cells(effect=4.0, noise=8.0)
    alone = judged([claim], [some])[0]
    among = judged([claim] * 10, [some] * 10)[0]
    assert alone.p is not None
    assert among.p == pytest.approx(min(1, 10 * alone.p))


def test_a_published_figure_is_set_beside_what_was_found():
    claim = Claim("twice", per_cent=True, published=(50.0, 200.0), exact=True, **LONG)
    (found,) = judged(
        [claim], [[StudyCell({"length": "1"}, 0, 10.0), StudyCell({"length": "2"}, 0, 20.0)]]
    )
    assert found.per_cent == 100
    assert found.share == (0.5, 2.0)
