"""Ray is asked for when it is wanted, and not before."""

import sys


def test_nobody_imports_ray_without_the_flag(econjax, assert_told, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    (tmp_path / "sweep.toml").write_text("[incomes]\nagents = 50\n[sweep]\nseeds = 1\n")
    choices = ("sweep", tmp_path / "sweep.toml", "--runs", tmp_path, "--name", "one")
    assert_told(econjax(*choices, "--ray", "local"), "pip install 'econjax[ray]'")
    assert not (tmp_path / "one").exists()
    assert econjax(*choices).code == 0
