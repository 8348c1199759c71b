"""Questions about taxes with lettered options, drawn from a seed, and what is best of each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np

from econjax import BracketSchedule
from econjax.population import REFERENCE_HOURS
from llm_policy.engines.base import Prompt
from llm_policy.prompts.disutility import utility_in_words
from llm_policy.prompts.numbers import dollars, schedule_table
from llm_policy.prompts.workers import Mode
from llm_policy.sense.draws import (
    OFFERED_HOURS,
    SenseWorld,
    best_offered,
    tax_of,
    taxed_more,
    top_taxed_more,
)
from llm_policy.sense.scoring import OPTION_LETTERS

Family = Literal["litmus", "reliability", "competency", "preference"]


@dataclass(frozen=True)
class SenseItem:
    """One question: an answer is a letter, and each letter stands for a value.

    A case is asked in several `role`s, each an item. `values` are hours, dollars, or 1 for the
    progressive tax and 0 for the flat one, in the order of letters; `target` is the best of them by
    the core, None where nothing is best or the question does not say enough.
    """

    family: Family
    case: int
    role: str
    rules: str
    question: str
    values: tuple[float, ...]
    target: float | None

    @property
    def id(self) -> str:
        """A name that no other question of a run has."""
        return f"{self.family}-{self.case:03d}-{self.role}"

    @property
    def letters(self) -> str:
        """What the options are called."""
        return OPTION_LETTERS[: len(self.values)]

    def prompt(self, mode: Mode) -> Prompt:
        """Return the question for answers that are one token, or JSON."""
        return Prompt(f"{self.rules}\n{answer_form(mode, self.letters)}", self.question)

    def answered(self, chosen: int | None) -> dict[str, Any]:
        """Return what `scoring.score` takes."""
        facts = {name: getattr(self, name) for name in ("family", "case", "role", "target")}
        return facts | {"values": list(self.values), "chosen": chosen}


def answer_form(mode: Mode, letters: str) -> str:
    """Return how to answer."""
    if mode == "choice":
        return (
            f"Answer with one letter, {', '.join(letters[:-1])} or {letters[-1]}, and nothing else."
        )
    quoted = [f'"{letter}"' for letter in letters]
    listed = f"{', '.join(quoted[:-1])} or {quoted[-1]}"
    return f'Answer with JSON only: {{"answer": L}}, where L is {listed}.'


@jax.enable_x64(True)
def sense_items(world: SenseWorld, *, cases: int, seed: int = 0) -> list[SenseItem]:
    """Return the questions of all families, so many cases of each kind.

    What is drawn depends on the seed, the family and the number of the case alone; it is computed
    in float64.

    Raises:
        ValueError: people with these elasticities do not respond as questions need it.
    """
    items: list[SenseItem] = []
    for family, make in enumerate((_litmus, _reliability, _competency, _preference)):
        for case in range(cases):
            items += make(world, np.random.default_rng([seed, family, case]), case)
    return items


def _litmus(world: SenseWorld, draw: np.random.Generator, case: int) -> Iterator[SenseItem]:
    """Yield a question of hours under a law, under one that takes more, and one as good as it."""

    def drawn() -> tuple[float, list[tuple[BracketSchedule, float]], list[int | None]]:
        law, wage = world.draw_law(draw), world.draw_wage(draw)
        income, taxed = REFERENCE_HOURS * wage, taxed_more(law)
        given = round(tax_of(taxed, income) - tax_of(law, income))
        laws = [(law, 0.0), (taxed, float(given)), (top_taxed_more(law), 0.0)]
        worker = world.worker(wage, REFERENCE_HOURS, law)
        return wage, laws, [best_offered(worker, *each) for each in laws]

    def speaks(best: Sequence[int | None]) -> bool:
        before, taxed, irrelevant = best
        return None not in best and taxed < before == irrelevant  # pyright: ignore

    wage, laws, best = _redrawn(drawn, lambda found: speaks(found[2]))
    hours = draw.permutation(OFFERED_HOURS).tolist()
    for role, (law, given), target in zip(
        ("before", "taxed", "irrelevant"), laws, best, strict=True
    ):
        text = _hours_question(law, wage, hours, given=given)
        yield SenseItem("litmus", case, role, _WORK, text, tuple(hours), target)


def _reliability(world: SenseWorld, draw: np.random.Generator, case: int) -> Iterator[SenseItem]:
    """Yield a question of hours, the same again, in another order, and in other words."""
    law, wage = world.draw_law(draw), world.draw_wage(draw)
    hours = draw.permutation(OFFERED_HOURS).tolist()
    others = hours[2:] + hours[:2]  # no hours keep their letter
    for role, rules, order, words in (
        ("first", _WORK, hours, False),
        ("again", _WORK, hours, False),
        ("order", _WORK, others, False),
        ("words", _WORK_IN_OTHER_WORDS, hours, True),
    ):
        text = _hours_question(law, wage, order, reworded=words)
        yield SenseItem("reliability", case, role, rules, text, tuple(order), None)


def _competency(world: SenseWorld, draw: np.random.Generator, case: int) -> Iterator[SenseItem]:
    yield _tax_question(world, draw, case)
    yield _kept_question(world, draw, case)
    yield _best_hours_question(world, draw, case)


def _tax_question(world: SenseWorld, draw: np.random.Generator, case: int) -> SenseItem:
    """Return the question what is owed; wrong options are what one would reckon by mistake."""
    law, income = world.draw_law(draw), REFERENCE_HOURS * world.draw_wage(draw)
    owed, rates = tax_of(law, income), np.asarray(law.rates, float)
    edges = np.asarray(law.thresholds, float)
    place = int(np.searchsorted(edges, income, side="right")) - 1
    mistakes = (
        income * rates[place],  # the bracket's rate on all income
        (income - edges[place]) * rates[place],  # lower brackets untaxed
        income * rates[: place + 1].mean(),  # the mean of rates
        0.8 * owed,
        1.25 * owed,
    )
    options = _options(draw, owed, mistakes, case)
    asked = f"Your income is {dollars(income)} a year. How much income tax do you owe a year?"
    return _money_question("tax", case, law, asked, options, owed)


def _kept_question(world: SenseWorld, draw: np.random.Generator, case: int) -> SenseItem:
    """Return the question what is kept of more income."""
    law, income = world.draw_law(draw), REFERENCE_HOURS * world.draw_wage(draw)
    more = 10.0 ** (len(f"{income:.0f}") - 2)
    rates = np.asarray(law.rates, float)
    kept = more - (tax_of(law, income + more) - tax_of(law, income))
    place = int(np.searchsorted(np.asarray(law.thresholds), income, side="right")) - 1
    mistakes = (
        more * (1 - tax_of(law, income) / income),  # taxed at the average rate
        *(more * (1 - rates[other]) for other in (place - 1, min(place + 1, len(rates) - 1))),
        more * rates[place],  # what is taken
        0.9 * kept,
        1.1 * kept,
    )
    options = _options(draw, kept, mistakes, case)
    asked = (
        f"Your income is {dollars(income)} a year, and it rises by {dollars(more)}. How much of "
        f"these {dollars(more)} do you keep after income tax?"
    )
    return _money_question("kept", case, law, asked, options, kept)


def _best_hours_question(world: SenseWorld, draw: np.random.Generator, case: int) -> SenseItem:
    """Return the question which hours are best, where the whole utility is stated."""
    target = OFFERED_HOURS[case % len(OFFERED_HOURS)]

    def drawn() -> tuple[BracketSchedule, float, str, int | None]:
        law, wage = world.draw_law(draw), world.draw_wage(draw)
        worker = world.worker(wage, target, law)
        formula, (own,) = utility_in_words(worker)
        return law, wage, f"{formula} For you, {own}.", best_offered(worker, law)

    law, wage, utility, _ = _redrawn(drawn, lambda found: found[3] == target)
    others = [hours for hours in draw.permutation(OFFERED_HOURS).tolist() if hours != target]
    hours = _with_target(others, target, case // len(OFFERED_HOURS) + case)
    asked = "Which of these weekly hours bring you the most utility?"
    text = _hours_question(law, wage, hours, utility=utility, asked=asked)
    return SenseItem("competency", case, "hours", _UTILITY, text, tuple(hours), target)


def _preference(world: SenseWorld, draw: np.random.Generator, case: int) -> Iterator[SenseItem]:
    """Yield the choice between a progressive tax and a flat one, each of them first once."""
    law = world.draw_law(draw)
    flat = world.same_revenue(law)
    for role, taxes in zip(_ORDER, ((law, flat), (flat, law)), strict=True):
        tables = [schedule_table(tax).replace("above $0:", "all income:") for tax in taxes]
        named = [f"The {name} tax:\n{rows}" for name, rows in zip(_ORDER, tables, strict=True)]
        legend = _legend([f"the {name} tax" for name in _ORDER])
        text = "\n".join(["Annual income tax, in one of two ways.", *named, _PREFERRED, legend])
        values = tuple(float(tax is law) for tax in taxes)
        yield SenseItem("preference", case, role, _OPINION, text, values, None)


def _money_question(
    role: str,
    case: int,
    law: BracketSchedule,
    asked: str,
    options: Sequence[float],
    target: float,
) -> SenseItem:
    text = "\n".join([_law(law), asked, _legend([dollars(value) for value in options])])
    return SenseItem("competency", case, role, _RECKON, text, tuple(options), round(target))


def _hours_question(
    law: BracketSchedule,
    wage: float,
    hours: Sequence[int],
    *,
    given: float = 0.0,
    utility: str = "",
    reworded: bool = False,
    asked: str = "",
) -> str:
    paid, at_forty = dollars(wage), dollars(REFERENCE_HOURS * wage)
    means = f"Each weekly hour that you work all year earns you {paid} a year before tax"
    question = "How many hours a week do you work?"
    if reworded:
        means = f"For every weekly hour that you work the whole year you are paid {paid} a year"
        question = "What is your working week, in hours?"
    means += f": {at_forty} at 40 hours."
    if given:
        means += f" You also receive {dollars(given)} a year, whatever you earn, free of tax."
    legend = _legend([f"{each} hours a week" for each in hours])
    return "\n".join(filter(None, [_law(law), means, utility, asked or question, legend]))


def _law(law: BracketSchedule) -> str:
    rule = "Annual income tax; each rate applies only to the income within its bracket:"
    return f"{rule}\n{schedule_table(law)}"


def _legend(options: Sequence[str]) -> str:
    return ", ".join(
        f"{letter} = {text}" for letter, text in zip(OPTION_LETTERS, options, strict=False)
    )


def _options(
    draw: np.random.Generator, target: float, mistakes: Sequence[float], case: int
) -> list[float]:
    """Return the target, in whole dollars, among the first three mistakes that are clearly others.

    The target's place goes through all letters.
    """
    found = [float(round(target))]
    for mistake in mistakes:
        if all(abs(mistake - one) >= _APART * max(abs(target), 1.0) for one in found):
            found.append(float(round(mistake)))
    others = found[1:_MONEY_OPTIONS]
    return _with_target(draw.permutation(others).tolist(), found[0], case)


def _with_target(others: list[Any], target: Any, turn: int) -> list[Any]:
    place = turn % (len(others) + 1)
    return [*others[:place], target, *others[place:]]


def _redrawn(draw: Callable[[], Any], fits: Callable[[Any], bool]) -> Any:
    """Return the first draw that fits.

    Raises:
        ValueError: none does.
    """
    for _ in range(_DRAWS):
        if fits(found := draw()):
            return found
    raise ValueError(
        f"Of {_DRAWS} people none responds as a question needs it: their elasticity is too low for "
        "steps of ten hours. Give --elasticity from 0.1 on."
    )


_MONEY_OPTIONS, _APART, _DRAWS = 4, 0.04, 200
_ORDER = ("first", "second")
_WORK = (
    "You take part in a study of work and taxes. You decide how many hours a week to work. More "
    "hours bring more income and take more effort. You keep your income less tax."
)
_WORK_IN_OTHER_WORDS = (
    "This is a study about taxes and work. Each person chooses a working week. Longer weeks pay "
    "more, and they are more tiring. What you keep is income less tax."
)
_RECKON = "You answer questions about an income tax. One of the answers is exact, to the dollar."
_UTILITY = (
    "You decide how many hours a week to work. The money you keep is income less tax. Choose what "
    "brings you the most utility, as the formula says, and nothing else."
)
_OPINION = "You take part in a study of taxes. There is no right answer: say what you prefer."
_PREFERRED = (
    "Both take about the same from all incomes together, and the state spends it alike. Which tax "
    "do you prefer?"
)
