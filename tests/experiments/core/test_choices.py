from dataclasses import dataclass

import pytest

from experiments.core.choices import CommandChoices

CHECKED = []


class Where(CommandChoices):
    def _check(self):
        CHECKED.append("where")


class Who(CommandChoices):
    pass


@dataclass(frozen=True)
class What(Who, Where):
    count: int = 1

    def _check(self):
        CHECKED.append("what")
        if self.count < 1:
            raise ValueError(f"--count must be at least 1; got {self.count}.")


@dataclass(frozen=True)
class Everything(What):
    pass


def test_each_class_of_choices_checks_its_own_once_and_bases_come_first():
    CHECKED.clear()
    Everything().check()
    assert CHECKED == ["where", "what"]


def test_what_a_base_refuses_no_command_takes():
    with pytest.raises(ValueError, match="--count must be at least 1; got 0"):
        Everything(0).check()
