"""People in a CSV file, so that a population can be looked at and used again."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped

from econjax import Population
from llm_policy.personas.draw import RISK_ATTITUDES, TAX_ATTITUDES, Personas
from llm_policy.personas.tables import AGES, USUAL_HOURS, names
from llm_policy.personas.text import People


def save_personas(path: Path | str, people: People) -> None:
    """Write a row per worker: its text, whether a model wrote it, and its persona if it has one.

    A text that a spreadsheet would take for a formula stands behind an apostrophe, as does one that
    begins with an apostrophe.
    """
    texts = [_QUOTE + text if text.startswith(_FORMULAS) else text for text in people.texts]
    columns: dict[str, Sequence] = {"text": texts, "written": _YES.write(people.written)}
    if people.personas is not None:
        columns |= {
            name: words.write(getattr(people.personas, name)) for name, words in _columns().items()
        }
        columns["skill"] = people.personas.skill.tolist()
    with Path(path).open("w", newline="", **_ENCODING) as file:
        # The writer quotes no line that ends by a carriage return alone, and the reader ends it.
        quoting = csv.QUOTE_ALL if any("\r" in text for text in texts) else csv.QUOTE_MINIMAL
        writer = csv.writer(file, lineterminator="\n", quoting=quoting)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def load_personas(path: Path | str, population: Population | None = None) -> People:
    """Return the people in a file of `save_personas`, to the last bit.

    `Population(people.personas.skill)` is the population that they were drawn for, if weights are
    equal. A file of `text` and `written` alone holds people without personas.

    Raises:
        ValueError: missing columns, a value that no persona has, or, if a population is given,
            another number of people or other skills than it has.
        OSError: there is no such file.
    """
    rows = _rows(Path(path))
    texts = tuple(_unquoted(row["text"]) for row in rows)
    written = _read(path, rows, "written", _YES)
    people = People(texts, written, _personas(path, rows) if "skill" in rows[0] else None)
    if population is not None:
        _check(path, people, population)
    return people


def _unquoted(text: str) -> str:
    """Return a text without the apostrophe that keeps it from being a formula."""
    return text[1:] if text.startswith(_QUOTE) and text[1:].startswith(_FORMULAS) else text


_QUOTE = "'"
_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", _QUOTE)
"""What a spreadsheet may take for the beginning of a formula, and what hides one."""
_ENCODING: Any = {"encoding": "utf-8", "errors": "surrogatepass"}  # a model may write half a letter


class _Words(NamedTuple):
    """What may stand in a column, and the values of `Personas` that it stands for, ascending."""

    words: Shaped[np.ndarray, " words"]
    values: Shaped[np.ndarray, " words"]

    def write(self, values: Shaped[np.ndarray, " people"]) -> list[str]:
        """Return the words for some values."""
        return self.words[np.searchsorted(self.values, values)].tolist()


_YES = _Words(np.array(["no", "yes"]), np.array([False, True]))
_TEXTS = ("text", "written")


def _columns() -> dict[str, _Words]:
    """Return the columns of a persona, named as its fields."""

    def places(words: Sequence[str] | np.ndarray) -> _Words:
        return _Words(np.asarray(words), np.arange(len(words)))

    return {
        "occupation": places(names().occupation),
        "woman": _YES,
        "age": _Words(AGES.astype(str), AGES),
        "education": places(names().education),
        "state": places(names().state),
        "hours": _Words(USUAL_HOURS.astype(str), USUAL_HOURS),
        "risk": places(RISK_ATTITUDES),
        "tax_attitude": places(TAX_ATTITUDES),
    }


def _rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file that has all the columns, of texts at least."""
    with path.open(newline="", **_ENCODING) as file:
        reader = csv.DictReader(file)
        rows, given = list(reader), set(reader.fieldnames or ())
    personal = (*_columns(), "skill")
    needed = (*_TEXTS, *personal) if given & set(personal) else _TEXTS
    missing = [column for column in needed if column not in given]
    if missing:
        raise ValueError(
            f"{path} lacks {', '.join(missing)}: write it with save_personas, all columns at once."
        )
    if not rows:
        raise ValueError(f"{path} holds no people: write it with save_personas.")
    short = next(
        (i for i, row in enumerate(rows) if any(row[column] is None for column in needed)), None
    )
    if short is not None:
        raise ValueError(f"{path}, person {short + 1}: the row is cut short; write the file again.")
    return rows


def _personas(path: Path | str, rows: Sequence[Mapping[str, str]]) -> Personas:
    columns = {name: _read(path, rows, name, words) for name, words in _columns().items()}
    skill = np.array([_skill(path, i, row["skill"]) for i, row in enumerate(rows)])
    return Personas(**columns, skill=skill)


def _read(
    path: Path | str, rows: Sequence[Mapping[str, str]], column: str, allowed: _Words
) -> Shaped[np.ndarray, " people"]:
    words = allowed.words.tolist()
    places = {word: place for place, word in enumerate(words)}
    for person, row in enumerate(rows):
        if row[column] not in places:
            raise ValueError(
                f"{path}, person {person + 1}: {row[column]!r} is no {column}; there are "
                f"{len(places)}, from {words[0]!r} to {words[-1]!r}: mend the row."
            )
    return allowed.values[[places[row[column]] for row in rows]]


def _skill(path: Path | str, person: int, value: str) -> float:
    try:
        skill = float(value)
    except ValueError:
        skill = -1.0
    if not 0 <= skill < np.inf:
        raise ValueError(
            f"{path}, person {person + 1}: a skill is a number from 0, not {value!r}; mend the row."
        )
    return skill


def _check(path: Path | str, people: People, population: Population) -> None:
    n = len(people.texts)
    if n != population.agents:
        raise ValueError(
            f"{path} holds {n:,} people, the population {population.agents:,}: use a population of "
            f"{n:,}, or draw new personas."
        )
    if people.personas is None:
        return
    saved, skill = people.personas.skill, np.asarray(population.skill, float)
    other = ~np.isclose(saved, skill, rtol=1e-5, atol=0)
    if other.any():
        i = int(np.argmax(other))
        raise ValueError(
            f"{path}: person {i + 1} has a skill of {saved[i]:g}, the worker {skill[i]:g}, so the "
            "text would state another income: make the population of personas.skill, or draw new "
            "personas."
        )
