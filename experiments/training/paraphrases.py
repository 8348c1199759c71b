"""Workers' prompts in other words, so that the model learns what a prompt says, not how.

A sentence of a prompt is replaced by words drawn for each of its slots, in the order of the slots
or, where that reads as well, in any. What is held out is in no example: `econjax fidelity` asks in
these words.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np

from llm_policy.prompts.segments import Lines, Question, WorkerQuestion, WorkersShared

LaborQuestion: TypeAlias = Question[WorkersShared, WorkerQuestion]
_Lines = TypeVar("_Lines", bound=Lines)


class Wording(NamedTuple):
    """Other words for a sentence of a `segment` of questions.

    Those held out of examples, and slots with what examples say.
    """

    segment: str
    held_out: str
    slots: Sequence[Sequence[str]]
    any_order: bool = False


_AS_IT_IS = 0.25
"""The share of examples that keep the prompts' own words."""
_REPLACED = 0.8
"""The chance of each sentence of the others to be replaced."""


def rephrased(
    rng: np.random.Generator, questions: Sequence[LaborQuestion], *, held_out: bool = False
) -> list[LaborQuestion]:
    """Return the questions, most in other words; `held_out` ones in words that no example uses."""
    if held_out:
        words = {old: wording.held_out for old, wording in PARAPHRASES.items()}
    elif rng.random() < _AS_IT_IS:
        words = {}
    else:
        words = {
            old: _draw(rng, wording)
            for old, wording in PARAPHRASES.items()
            if rng.random() < _REPLACED
        }
    return [Question(_said(shared, words), _said(own, words)) for shared, own in questions]


def _draw(rng: np.random.Generator, wording: Wording) -> str:
    parts = [str(rng.choice(slot)) for slot in wording.slots]
    if wording.any_order:
        rng.shuffle(parts)
        return " ".join(filter(None, parts))
    return "".join(parts)


def _said(lines: _Lines, words: Mapping[str, str]) -> _Lines:
    """Return segments with other words for each sentence in its own segment."""
    texts = dict(vars(lines))
    for old, new in words.items():
        segment = PARAPHRASES[old].segment
        if segment in texts:
            texts[segment] = texts[segment].replace(old, new)
    return type(lines)(**texts)


_WHO = (
    "You are a worker in an experiment on taxation.",
    "This is a survey of working time and taxation.",
    "Researchers want to know how tax law affects work, and you are a participant.",
    "Imagine that you live in a country with an income tax.",
    "A study looks at labor supply. You belong to it.",
    "You work for pay in this economy.",
    "Think of yourself as a member of the labor force.",
    "You live and work here.",
    "",
)
_DECISION = (
    "In each period you fix the hours of your working week.",
    "Every round you say how long you want to work per week.",
    "You are free to set your own working time, period after period.",
    "It is up to you how much you work; you decide anew in each round.",
    "The number of hours that you work is your own decision, made many times.",
    "Round by round you determine your weekly hours.",
    "You may work as much or as little as you like, and change it from step to step.",
    "Your task is to set the length of your working week, over and over.",
)
_EFFORT = (
    "Working longer raises your earnings but also the strain.",
    "The more you work, the more you earn and the harder it is.",
    "Additional hours mean additional pay, and additional toil.",
    "Hours bring in money, but each of them costs you effort.",
    "Labor is a burden that is paid for.",
    "You are paid by the hour, and every hour takes something out of you.",
    "Work is rewarded with earnings and wears you out.",
    "Pay rises with hours, and so does fatigue.",
)
_KEPT = (
    "Your disposable money is earnings after tax plus the rebate.",
    "The tax office takes its part of your earnings, and you get the rebate on top.",
    "You consume what remains of your pay after taxes, together with the rebate.",
    "After taxes are deducted and the rebate is added, the rest is yours to spend.",
    "You live on net income and on the rebate.",
    "You may spend your wages net of tax, and the rebate as well.",
    "What counts is the money left after the tax, with the rebate included.",
    "You pay tax on what you earn and get a rebate back.",
)

_QUESTIONS = (
    "How long do you want to work per week in the coming step?",
    "What number of hours do you choose for the next step?",
    "Your weekly hours in the next step?",
    "State your working week for the period ahead.",
    "How many hours of work per week are you going to do?",
    "Name the hours that you will work each week from now on.",
    "And now: how much do you work?",
    "What do you decide? Give your hours per week.",
    "Next step: how many hours?",
    "Hours of work per week from here on?",
    "Decide how many hours your coming working week has.",
    "How much will you work in the step to come?",
    "How many weekly hours is it going to be this time?",
    "Please say for how many hours a week you work now.",
    "What will your working time be, per week?",
    "Set your labor supply, in hours a week.",
    "How many hours of labor do you supply weekly in the next round?",
    "Which working time do you settle on, counted in hours per week?",
    "At how many hours a week do you set your work?",
    "Let us know your hours for the round that follows.",
    "The next round begins. Your hours?",
    "For the next period, how long is the week that you work?",
    "How big a week of work, in hours, do you take on now?",
    "What is your choice of hours?",
)
_TAX = (
    "The tax on income per year",
    "What is due on annual earnings",
    "Rates of income taxation for a year",
    "Tax law on yearly earnings",
    "Tax schedule for incomes of a year",
    "Annual earnings are taxed as follows",
    "Brackets and marginal rates of the income tax",
    "Here is the tax on what you earn in a year",
    "The law on taxing income",
    "Marginal tax rates, year by year",
    "Progressive or not, this is the annual tax",
)
_MARGINAL = (
    "; only earnings inside a bracket are taxed at its rate",
    ", each share of earnings taxed by the bracket it falls into",
    " - a rate holds for the slice of earnings between the limits",
    "; rates are marginal",
    " (what lies below a bracket is taxed by the lower ones)",
    ", where every slice of earnings has its own rate",
    "; the percentage is due on that slice only",
    "",
)
_REBATE = (
    "Money that the government takes in and does not need for its own spending goes back to the "
    "people, in the same amount each.",
    "After public spending is paid for, the rest of the taxes is shared out evenly.",
    "All receive the same rebate, out of the revenue that is left after public spending.",
    "Every inhabitant is paid an identical sum from the remaining taxes.",
    "The surplus of taxes over public expenses is distributed per head.",
    "Whatever public expenses leave of the taxes is split among all of you, no one getting more "
    "than others.",
    "A rebate, as large for one as for another, is financed by taxes in excess of public needs.",
    "Taxes pay for public spending first; then comes a lump sum per person.",
    "There is a uniform transfer, paid for by taxes that are not spent otherwise.",
    "Each of you gets an equal part of those taxes that the public sector does not use.",
)
_LAST_STEP = (
    "Now choose the best hours you have found; no further experiments.",
    "This is no time for exploring. Go with what has served you best.",
    "Use what you have learned and settle for your best choice.",
    "From here on it counts: work the hours that are best as far as you can tell.",
    "Stop searching and do what turned out best.",
    "Trying things out has come to an end; take your best option.",
    "You have tried enough. Stay with the hours that paid best.",
    "Explore no longer; your most successful hours are wanted.",
    "It is over with testing. Decide for what is best in your experience.",
    "No tests from now on, only the choice that you believe in most.",
)
_RULES = (_WHO, _DECISION, _EFFORT, _KEPT)
_TOLD = (
    "You take part in a study of work and taxes. You decide how many hours a week to work, step "
    "after step. More hours bring more income and take more effort. You keep your income less tax, "
    "and the rebate.",
    "This is a study about taxes and work. In every step each person chooses a working week. "
    "Longer weeks pay more, and they are more tiring. What you keep is income less tax, plus the "
    "rebate.",
)
_PAID_BACK = (
    "Tax revenue beyond public spending is paid back in equal shares: everyone gets the same "
    "rebate."
)

PARAPHRASES = {
    _TOLD[0]: Wording(
        "rules",
        "We study how people choose their hours under an income tax. At every step you pick your "
        "weekly hours. Longer hours are paid and cost effort; income after tax and the rebate are "
        "yours.",
        _RULES,
        any_order=True,
    ),
    _TOLD[1]: Wording(
        "rules",
        "It is about work under an income tax. Everyone picks hours, one step after the other. A "
        "long week earns much and takes much. Yours is what tax leaves of your income, with a "
        "rebate added.",
        _RULES,
        any_order=True,
    ),
    "How many hours a week do you work next?": Wording(
        "question", "Which weekly hours do you pick now?", (_QUESTIONS,)
    ),
    "What is your next working week, in hours?": Wording(
        "question", "How many hours is your next week?", (_QUESTIONS,)
    ),
    "Annual income tax; each rate applies only to the income within its bracket": Wording(
        "law",
        "The tax on a year's income, bracket by bracket; a rate is for the part of income in its "
        "bracket",
        (_TAX, _MARGINAL),
    ),
    _PAID_BACK: Wording(
        "law",
        "What the tax brings beyond public spending is handed back, the same amount to everybody.",
        (_REBATE,),
    ),
    "No more trying: choose the best hours that you know of.": Wording(
        "advice", "Do not experiment any more: pick what you know to be best.", (_LAST_STEP,)
    ),
}
"""Sentences of workers' prompts, and other words for them."""
