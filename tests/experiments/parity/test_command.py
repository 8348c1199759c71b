import numpy as np
import pytest

from experiments.parity.command import preset, reference_welfare

PRINTED = {"E1": 165.883, "E2": 166.700}
"""What its own code prints of two of them."""
BY_HAND = ["E3", "E4", "E5"]


def by_hand(tag, rate):
    """Return welfare at 40 hours, in NumPy alone."""
    draws = np.random.RandomState(42)
    if tag == "E3":
        skill, tops = np.asarray(preset(tag).economy.population.skill), [90_000, 159_100]
        rates = [0.10, 0.22, 0.24]
    elif tag == "E4":
        skill = np.exp(draws.normal(3.5, 0.5, 100))
        tops = [10_000, 40_000, 85_000, 160_000, 200_000, 500_000]
        rates = [0.10, 0.12, 0.22, 0.24, 0.32, 0.35, 0.37]
    else:
        skill, tops, rates = np.exp(draws.normal(7.3, 0.6, 100)), [80_000], [0.10, 0.22]
    rates = rates if rate is None else [rate] * len(rates)
    income = 40 * skill
    ends = np.array([0, *tops, np.inf])
    slices = np.clip(income[:, None], ends[:-1], ends[1:]) - ends[:-1]
    tax = slices @ np.array(rates)
    paid_back = income - tax + tax.mean()
    if tag == "E3":
        return np.sum((paid_back - 0.0005 * 40**3.5) / np.maximum(income, 1_000))
    if tag == "E4":
        return np.sum(((income - tax) ** -0.5 - 1) / -0.5)
    return np.mean(np.log(paid_back - 0.5 * 40**3 / 3))


@pytest.mark.parametrize(("tag", "printed"), PRINTED.items())
def test_welfare_is_what_the_llm_economist_prints(x64, tag, printed):
    assert reference_welfare(preset(tag)) == pytest.approx(printed, abs=5e-4)


@pytest.mark.parametrize("rate", [None, 0.5])
@pytest.mark.parametrize("tag", BY_HAND)
def test_welfare_is_what_is_reckoned_by_hand(x64, tag, rate):
    assert reference_welfare(preset(tag), rate=rate) == pytest.approx(by_hand(tag, rate), rel=1e-9)


def test_the_command_prints_all(econjax):
    ran = econjax("parity")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert [line.split(":")[0] for line in lines[::2]] == ["E1", "E2", "E3", "E4", "E5"]
    assert "165.883" in lines[0]
    assert "293.183, +76.7%" in lines[1]
    assert "166.700" in lines[2]
    assert "294.950, +76.9%" in lines[3]
    assert ran.err == ""


def test_there_are_five_economies():
    with pytest.raises(ValueError, match="No economy 'E6'; choose E1 to E5"):
        preset("E6")
