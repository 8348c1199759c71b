"""The joint distribution of what people are and earn that agrees with all the published tables."""

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from llm_policy.personas.tables import (
    AGES,
    BANDS,
    FULL_TIME,
    SEXES,
    column,
    employed_by_age,
    full_time_hours,
    hours_group,
    names,
    of_sex,
    published,
    read_table,
)


@dataclass(frozen=True)
class Cells:
    """The joint distribution of occupation, sex, age band, education and full or part time.

    `share` sums to 1. `log_hourly` is the logarithm of the median earnings per hour of a cell, up
    to a constant; hourly earnings vary around it, below and above, as half-normals of standard
    deviation `spread[:, 0]` and `spread[:, 1]` of the occupation. `variance` is that of the
    logarithm in all.
    """

    share: Float[np.ndarray, "occupations 2 bands levels 2"]
    log_hourly: Float[np.ndarray, "occupations 2 bands levels 2"]
    spread: Float[np.ndarray, "occupations 2"]
    variance: float


@functools.cache
def cells() -> Cells:
    """Return the joint distribution that has the published margins.

    Shares are raked (iterative proportional fitting) from a seed in which a level of education
    above the occupation's entry level is half as likely as the level below it, and one beneath the
    entry level an eighth as likely as the level above it: an assumption. Margins: occupation by
    sex, occupation by age, sex by age; education by sex at 25 and over; part time by sex and age,
    and by group of occupations and sex, which is met on average. Below 25 no table gives education.

    The logarithm of full-time weekly earnings is a sum of an effect of occupation and sex, one of
    age and sex and one of education and sex, fitted (backfitting) until the mean of each margin
    differs from that of all as its published median does. Hourly, it is less by the usual full-time
    hours of the group and sex, and part-timers have what makes their weekly median the published
    one. What the cells do not explain of the spread of wages within an occupation is left to
    chance, half of its standard deviation at least.
    """
    share = _raked()
    log_weekly = _log_weekly(share[..., 0])
    log_hourly = log_weekly - np.log(full_time_hours())[hours_group()][:, :, None, None]
    log_hourly = np.stack([log_hourly, log_hourly], axis=-1)
    full, part = (_mean(log_hourly[..., i], share[..., i]) for i in (0, 1))
    log_hourly[..., 1] += full - part + _part_time_gap()
    spread = _spread(share, log_hourly)
    between = _mean((log_hourly - _mean(log_hourly, share)) ** 2, share)
    within = _mean(spread.mean(axis=1) ** 2, share.sum((1, 2, 3, 4)))
    return Cells(share, log_hourly, spread, between + within)


_ROUNDS = 60
_PART_TIME_BANDS = (slice(0, 1), slice(1, 2), slice(2, 5), slice(5, 7))
_ADULT = slice(2, None)  # the bands of 25 and over
_MOST_YOUNG = (2, 4)  # the highest level of education at 16 to 19, and at 20 to 24


def _raked() -> Float[np.ndarray, "occupations 2 bands levels 2"]:
    occupation_sex, occupation_age = _occupation_margins()
    by_year = employed_by_age()
    sex_age = np.stack([by_year[:, (a <= AGES) & (b >= AGES)].sum(1) for a, b in BANDS], axis=1)
    sex_age /= sex_age.sum()
    education = np.stack([column(of_sex("education", sex), "employed") for sex in SEXES])
    education /= education.sum()
    part_by_age = _part_time_by_age()
    part_by_group = _part_time_by_group(part_by_age, sex_age, occupation_sex)
    share = _seed()
    for _ in range(_ROUNDS):
        adults = share[:, :, _ADULT].sum((0, 2, 4))
        share *= (education * adults.sum() / adults)[None, :, None, :, None]
        share *= _factor(part_by_group, share.sum((2, 3)))[:, :, None, None]
        for bands, part in zip(_PART_TIME_BANDS, part_by_age, strict=True):
            share[:, :, bands] *= _factor(part, share[:, :, bands].sum((0, 2, 3)))[
                None, :, None, None
            ]
        share *= _over(sex_age, share.sum((0, 3, 4)))[None, :, :, None, None]
        share *= _over(occupation_age, share.sum((1, 3, 4)))[:, None, :, None, None]
        share *= _over(occupation_sex, share.sum((2, 3, 4)))[:, :, None, None, None]
    return share / share.sum()


def _seed() -> Float[np.ndarray, "occupations 2 bands levels 2"]:
    levels = len(names().education)
    entry = column(read_table("occupations"), "entry")
    above = np.arange(levels) - entry[:, None]
    likely = np.where(above >= 0, 0.5 ** np.abs(above), 0.125 ** np.abs(above))
    allowed = np.ones((len(BANDS), levels))
    for band, most in enumerate(_MOST_YOUNG):
        allowed[band, most + 1 :] = 0
    return np.tile((likely[:, None] * allowed)[:, None, :, :, None], (1, 2, 1, 1, 2))


def _occupation_margins() -> tuple[
    Float[np.ndarray, "occupations 2"], Float[np.ndarray, "occupations bands"]
]:
    rows = read_table("occupations")
    employed = column(rows, "employed")
    employed /= employed.sum()
    women = column(rows, "women_percent") / 100
    ages = np.stack([column(rows, name) for name in rows[0] if name.startswith("age_")], axis=1)
    ages /= ages.sum(1, keepdims=True)
    return np.stack([1 - women, women], axis=1) * employed[:, None], ages * employed[:, None]


def _part_time_by_age() -> Float[np.ndarray, "4 2"]:
    """Return the share of part-timers by the four age bands of its table, and sex."""
    by_sex = [of_sex("part_time", sex) for sex in SEXES]
    part, full = (
        np.stack([column(rows, name) for rows in by_sex], 1) for name in ("part_time", "full_time")
    )
    return part / (part + full)


def _part_time_by_group(
    by_age: Float[np.ndarray, "4 2"],
    sex_age: Float[np.ndarray, "2 bands"],
    occupation_sex: Float[np.ndarray, "occupations 2"],
) -> Float[np.ndarray, "occupations 2"]:
    """Return part-timers' share by occupation's group and sex, on the level of each sex by age."""
    by_sex = [of_sex("hours_by_group", sex) for sex in SEXES]
    part = np.stack([column(rows, "part_time") / column(rows, "at_work") for rows in by_sex], 1)
    part = part[hours_group()]
    ages = np.stack([sex_age[:, bands].sum(1) for bands in _PART_TIME_BANDS])
    level = (by_age * ages).sum(0) / ages.sum(0)
    return part * level * occupation_sex.sum(0) / (part * occupation_sex).sum(0)


def _factor(
    part: Float[np.ndarray, "*rows"], share: Float[np.ndarray, "*rows 2"]
) -> Float[np.ndarray, "*rows 2"]:
    """Return what brings the share of part-timers in each row to `part`."""
    return _over(np.stack([1 - part, part], -1) * share.sum(-1, keepdims=True), share)


def _over(
    wanted: Float[np.ndarray, "..."], found: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "..."]:
    """Return a quotient that is 1 where nothing was found: nothing can be scaled there."""
    return np.divide(wanted, found, out=np.ones_like(found), where=found > 0)


def _log_weekly(share: Float[np.ndarray, "occupations 2 bands levels"]) -> Float[np.ndarray, "..."]:
    """Return the log of full-time weekly earnings that has the published medians by margin."""
    rows = read_table("occupations")
    occupation = np.log(np.stack([column(rows, f"weekly_{sex}") for sex in SEXES], axis=1))
    age = np.log(_weekly_by_age())
    education = np.log(np.stack([column(of_sex("education", sex), "weekly") for sex in SEXES]))
    earned = np.tile(occupation[:, :, None, None], (1, 1, *share.shape[2:]))
    for _ in range(_ROUNDS):
        earned += _short_of(education, earned[:, :, _ADULT], share[:, :, _ADULT], (0, 2))[
            None, :, None, :
        ]
        earned += _short_of(age, earned, share, (0, 3))[None, :, :, None]
        earned += _short_of(occupation, earned, share, (2, 3))[:, :, None, None]
    return earned


def _short_of(
    wanted: Float[np.ndarray, "..."],
    earned: Float[np.ndarray, "occupations 2 bands levels"],
    share: Float[np.ndarray, "occupations 2 bands levels"],
    axes: tuple[int, int],
) -> Float[np.ndarray, "..."]:
    """Return what means over some axes fall short of what is wanted, the overall level kept."""
    weight = share.sum(axes)
    short = wanted - _over((earned * share).sum(axes), weight)
    return np.where(weight > 0, short - _mean(short, weight), 0)


def _weekly_by_age() -> Float[np.ndarray, "2 bands"]:
    """Return weekly earnings by sex and age band.

    They are both sexes' in the band, times the sex's in a wider one.
    """

    def weekly(sex: str, first: int, last: int) -> float:
        where = {"status": "full_time", "sex": sex, "first": str(first), "last": str(last)}
        return published("earnings", "weekly", **where)

    wide = {16: (16, 24), 20: (16, 24), 55: (55, 79), 65: (55, 79)}
    rows = []
    for sex in SEXES:
        spans = [
            ((16, 24) if first < 25 else (first, last), wide.get(first, (25, 54)))
            for first, last in BANDS
        ]
        rows.append(
            [weekly("both", *own) * weekly(sex, *w) / weekly("both", *w) for own, w in spans]
        )
    return np.array(rows)


def _part_time_gap() -> float:
    """Return how much less part-timers earn per hour, in logarithms."""
    people = np.array(
        [[float(row[name]) for name in ("first", "last", "people")] for row in read_table("hours")]
    )
    middle = people[:, :2].mean(1)
    full = middle >= FULL_TIME
    hours = [_mean(middle[who], people[who, 2]) for who in (full, ~full)]
    full_weekly, part_weekly = (
        published("earnings", "weekly", status=status, sex="both", first="16", last="79")
        for status in ("full_time", "part_time")
    )
    return float(np.log(part_weekly / full_weekly) - np.log(hours[1] / hours[0]))


def _spread(
    share: Float[np.ndarray, "..."], log_hourly: Float[np.ndarray, "..."]
) -> Float[np.ndarray, "n 2"]:
    """Return how far wages lie below and above the median, less what the cells explain."""
    p10, p50, p90 = (column(read_table("occupations"), f"wage_p{p}") for p in (10, 50, 90))
    spread = np.log(np.stack([p50 / p10, p90 / p50], axis=1)) / _DECILE
    weight = share.sum((1, 2, 3, 4))
    means = (log_hourly * share).sum((1, 2, 3, 4)) / weight
    explained = ((log_hourly - means[:, None, None, None, None]) ** 2 * share).sum(
        (1, 2, 3, 4)
    ) / weight
    left = np.clip(1 - explained / spread.mean(1) ** 2, 0.25, 1)
    return spread * np.sqrt(left)[:, None]


_DECILE = (
    1.2815515655446004  # standard deviations from the median to the 90th percentile of a normal
)


def _mean(values: Float[np.ndarray, "..."], weight: Float[np.ndarray, "..."]) -> float:
    return float((values * weight).sum() / weight.sum())
