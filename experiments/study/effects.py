"""What each level of a factor brings, and how far that is from the first level, paired."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from experiments.report.intervals import Measured
from experiments.report.paired import (
    PairedDifference,
    difference_of,
    holm,
    per_cent_of,
    resampled,
)
from experiments.study.cells import CASE, CellPlace, StudyCell, word
from experiments.study.document import FlagValues, RunList

PLANNER = "planner"


@dataclass(frozen=True)
class LevelEffect:
    """A level of a factor among what else is alike: its mean over seeds, and beside the baseline.

    `interval` and `ends` are 95 % bootstrap intervals of the mean and of the difference, None of
    one seed alone. `difference` is None of the baseline itself and where no seed has both; its `p`
    is corrected for all differences of the measure. `per_cent` is of the baseline's mean, None
    where that is not told apart from 0.
    """

    among: CellPlace
    factor: str
    level: str
    mean: float
    interval: Measured | None
    seeds: int
    baseline: str
    difference: PairedDifference | None = None
    ends: Measured | None = None
    per_cent: float | None = None


def level_effects(some: RunList, cells: Sequence[StudyCell]) -> list[LevelEffect]:
    """Return the effects of a list's factors on what the cells hold.

    A factor that varies between runs is averaged over the others that do, seed by seed, apart for
    each planner and welfare function; planners are compared within each combination of those.
    """
    varied = [name.replace("-", "_") for name in some.vary]
    varied += [CASE] if len({cell.where.get(CASE) for cell in cells}) > 1 else []
    planners = {cell.where.get(PLANNER) for cell in cells} - {None}
    factors = [name for name in varied if len({cell.where[name] for cell in cells}) > 1]
    factors += [PLANNER] if PLANNER not in varied and len(planners) > 1 else []
    found = [
        effect
        for factor in factors or [""]
        for effect in _of_factor(factor, varied, cells, some.baseline)
    ]
    return _corrected(found)


def paired_values(
    of: Sequence[StudyCell], against: Sequence[StudyCell], names: Sequence[str]
) -> tuple[Float[np.ndarray, " seeds"], Float[np.ndarray, " seeds"]]:
    """Return, by seed, the means of the cells of two levels, of those that both have.

    `names` are what the levels differ in.
    """
    here, there = ({(c.rest(names), c.seed): c.value for c in group} for group in (of, against))
    by_seed: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for place in here.keys() & there.keys():
        by_seed[place[1]].append((here[place], there[place]))
    means = np.array([np.mean(by_seed[seed], axis=0) for seed in sorted(by_seed)]).reshape(-1, 2)
    return means[:, 0], means[:, 1]


def means_by_seed(cells: Sequence[StudyCell]) -> Float[np.ndarray, " seeds"]:
    """Return the mean of the cells of each seed."""
    by_seed: dict[int, list[float]] = defaultdict(list)
    for cell in cells:
        by_seed[cell.seed].append(cell.value)
    return np.array([np.mean(by_seed[seed]) for seed in sorted(by_seed)])


def _of_factor(
    factor: str, varied: Sequence[str], cells: Sequence[StudyCell], baseline: FlagValues
) -> Iterator[LevelEffect]:
    """Yield a factor's levels, stratum by stratum; of no factor one level that is everything."""
    averaged = [] if factor in ("", PLANNER) else varied
    strata: dict[CellPlace, dict[str, list[StudyCell]]] = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        among = cell.rest([factor, *averaged])
        strata[among][cell.where.get(factor, "")].append(cell)
    stated = {name.replace("-", "_"): word(value) for name, value in baseline.items()}
    for among, levels in strata.items():
        first = stated.get(factor, next(iter(levels)))
        for level, some in levels.items():
            base = levels.get(first, []) if level != first else []
            yield _effect(among, factor, level, some, first, base)


def _effect(
    among: CellPlace,
    factor: str,
    level: str,
    some: list[StudyCell],
    first: str,
    base: list[StudyCell],
) -> LevelEffect:
    values = means_by_seed(some)
    alone = LevelEffect(
        among, factor, level, float(values.mean()), resampled(values), len(values), first
    )
    here, there = paired_values(some, base, [factor])
    if not len(here):
        return alone
    apart = here - there
    return replace(
        alone,
        difference=difference_of(apart),
        ends=resampled(apart),
        per_cent=per_cent_of(apart, there),
    )


def _corrected(effects: Sequence[LevelEffect]) -> list[LevelEffect]:
    """Return effects whose p values are corrected for the number of differences between seeds."""
    tested = {
        place: effect.difference
        for place, effect in enumerate(effects)
        if effect.difference is not None and effect.difference.pairs > 1
    }
    corrected: Mapping[int, float] = dict(
        zip(tested, holm([one.p for one in tested.values()]), strict=True)
    )
    return [
        replace(effect, difference=replace(tested[place], p=corrected[place]))
        if place in tested
        else effect
        for place, effect in enumerate(effects)
    ]
