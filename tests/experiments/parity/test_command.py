import pytest

from experiments.parity.command import preset, reference_welfare


@pytest.mark.parametrize(("tag", "printed"), [("E1", 165.883), ("E2", 166.700)])
def test_welfare_is_what_the_llm_economist_prints(x64, tag, printed):
    assert reference_welfare(preset(tag)) == pytest.approx(printed, abs=5e-4)


def test_the_command_prints_both(econjax):
    ran = econjax("parity")
    assert ran.code == 0
    first, its_start, second, others_start = ran.out.splitlines()
    assert "293.183, +76.7%" in its_start
    assert "294.950, +76.9%" in others_start
    assert first.startswith("E1")
    assert "165.883" in first
    assert second.startswith("E2")
    assert "166.700" in second
    assert ran.err == ""


def test_there_are_two_economies():
    with pytest.raises(ValueError, match="No economy 'E3'; choose E1 or E2"):
        preset("E3")
