"""Texts for workers to be: from a template, a model, a list of roles, or traits of character."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import jax
import msgspec
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from econjax import Population
from llm_policy.answers.reading import schema
from llm_policy.engines.base import Engine, Prompt
from llm_policy.personas.draw import Personas, describe, draw_personas, generator
from llm_policy.personas.roles import ROLE_SHARES, ROLES


@dataclass(frozen=True)
class People:
    """What each worker reads about itself, and who it is if more is known than the text.

    `written` says whose text a model wrote: all others are the project's.
    """

    texts: tuple[str, ...]
    written: Bool[np.ndarray, " agents"]
    personas: Personas | None = None


def templated(personas: Personas) -> People:
    """Return people with the sentences of `describe`."""
    return People(tuple(describe(personas)), np.zeros(len(personas), bool), personas)


ATTEMPTS = 3
"""How often a model is asked for a persona."""


def written(
    engine: Engine, personas: Personas, *, attempts: int = ATTEMPTS, max_tokens: int = 200
) -> People:
    """Return people whose texts a model wrote: two or three sentences from the facts of `describe`.

    A text must be in the second person and hold no digits but those of the facts. Others are asked
    for again, `attempts` times in all; who then has none keeps the template's text and is not among
    the `written`. A `Journal` around the engine keeps answers.

    Raises:
        EngineError: the engine cannot answer.
    """
    people = templated(personas)
    texts, done = list(people.texts), people.written.copy()
    for _ in range(attempts):
        asked = np.flatnonzero(~done)
        if not asked.size:
            break
        prompts = writing_prompts([people.texts[i] for i in asked])
        for i, answer in zip(
            asked, engine.complete(prompts, _ANSWER, max_tokens=max_tokens), strict=True
        ):
            text = _read(answer.texts[0], people.texts[i])
            if text is not None:
                texts[i], done[i] = text, True
    return replace(people, texts=tuple(texts), written=done)


def writing_prompts(facts: Sequence[str]) -> list[Prompt]:
    """Return what asks a model to write a persona, from the text of `describe` for each."""
    return [Prompt(_RULES, text) for text in facts]


def roles(key: Key[Array, ""], n: int, *, shares: Mapping[str, float] = ROLE_SHARES) -> People:
    """Return `n` people with the texts of `ROLES`, in random order and nearly the given shares.

    Each role gets the whole part of its share of `n`, and those with the largest remainders one
    more. Roles say nothing about skill: they are drawn independently of it.

    Raises:
        ValueError: a role that does not exist, a negative share, or shares that do not sum to 1.
    """
    _check_shares(shares)
    quota = np.array(list(shares.values())) * n
    count = np.floor(quota + 1e-9).astype(int)
    count[np.argsort(count - quota, kind="stable")[: n - count.sum()]] += 1
    texts = [
        text for name, many in zip(shares, count, strict=True) for text in [ROLES[name]] * many
    ]
    order = generator(key).permutation(n)
    return People(tuple(texts[i] for i in order), np.zeros(n, bool))


def traits(key: Key[Array, ""], population: Population) -> People:
    """Return drawn personas with a sentence on their temperament: the five traits of personality.

    Scores are normal with the means and standard deviations of `TRAITS`, cut to 0-1, and
    independent of all else; the text names those above 2/3 and below 1/3. What people do and earn
    is that of `draw_personas`.
    """
    who, temper = jax.random.split(key)
    personas = draw_personas(who, population)
    mean, spread = np.array([(trait.mean, trait.sd) for trait in TRAITS]).T
    scores = np.clip(generator(temper).normal(mean, spread, (len(personas), len(TRAITS))), 0, 1)
    texts = zip(describe(personas), _temperaments(scores), strict=True)
    return People(
        tuple(f"{text} {temperament}" for text, temperament in texts),
        np.zeros(len(personas), bool),
        personas,
    )


@dataclass(frozen=True)
class Trait:
    """A trait of personality: its score's distribution from 0 to 1, and the words for its ends."""

    name: str
    mean: float
    sd: float
    low: str
    high: str


TRAITS = (
    Trait("openness", 0.58, 0.18, "set in your habits", "curious about new things"),
    Trait("conscientiousness", 0.55, 0.17, "easygoing about duties", "careful and well organized"),
    Trait("extraversion", 0.52, 0.19, "quiet and reserved", "outgoing and talkative"),
    Trait("agreeableness", 0.60, 0.16, "blunt and competitive", "warm and quick to help"),
    Trait("neuroticism", 0.45, 0.20, "calm under pressure", "easily worried"),
)
"""Means and standard deviations as in the LLM Economist's generator of personas."""

_MOST_CHARACTERS = 600
_ANSWER = schema({"description": {"type": "string"}})
_RULES = f"""You write short portraits of working people for a study of work and taxes.
You are given the facts on one person. Turn them into two or three sentences, \
{_MOST_CHARACTERS} characters
at most, addressed to the person and beginning with "You". Add everyday color that fits: \
what a working day
is like, what the money goes to, how the person thinks about risk and about taxes.
Keep every fact as it is. Use no number that is not among the facts, and write no question.
Answer with JSON only: {{"description": "You ..."}}"""


class _Portrait(msgspec.Struct):
    description: str


_NUMBER = re.compile(r"\d[\d,]*")


def _read(answer: str, facts: str) -> str | None:
    """Return the portrait in an answer, or None if there is none that keeps to the facts."""
    try:
        text = msgspec.json.decode(
            answer[answer.find("{") : answer.rfind("}") + 1].encode(), type=_Portrait
        )
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return None
    portrait = " ".join(text.description.split())
    short = len(portrait) <= _MOST_CHARACTERS and portrait.isprintable()
    told = re.match(r"You\b", portrait) and short
    return portrait if told and _numbers(portrait) <= _numbers(facts) else None


def _numbers(text: str) -> set[str]:
    return {number.replace(",", "") for number in _NUMBER.findall(text)}


def _temperaments(scores: Float[np.ndarray, "agents traits"]) -> list[str]:
    ends = np.where(scores > 2 / 3, 2, np.where(scores < 1 / 3, 0, 1))
    words = [(trait.low, "", trait.high) for trait in TRAITS]
    return [
        _sentence([word for word in (words[trait][end] for trait, end in enumerate(row)) if word])
        for row in ends.tolist()
    ]


def _sentence(words: Sequence[str]) -> str:
    if not words:
        return "By temperament you are close to the average in everything."
    return f"By temperament you are {'; '.join(words)}."


def _check_shares(shares: Mapping[str, float]) -> None:
    unknown = [name for name in shares if name not in ROLES]
    if unknown:
        raise ValueError(f"There is no role {unknown[0]!r}; the roles are {', '.join(ROLES)}.")
    negative = [name for name, share in shares.items() if not share >= 0]
    if negative:
        raise ValueError(
            f"Shares of roles are 0 or more; {negative[0]!r} has {shares[negative[0]]}."
        )
    total = sum(shares.values())
    if abs(total - 1) > 1e-6:
        raise ValueError(f"Shares of roles sum to 1, not {total:.6g}: divide each by their sum.")
