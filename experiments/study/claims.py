"""Whether what a study's runs found supports its claims, or how many seeds would decide."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from experiments.report.intervals import Measured
from experiments.report.paired import (
    LEVEL,
    PairedDifference,
    difference_of,
    holm,
    pairs_to_decide,
    per_cent_of,
    resampled,
)
from experiments.study.cells import StudyCell
from experiments.study.document import Claim
from experiments.study.effects import means_by_seed, paired_values

Verdict = Literal["supported", "not supported", "undecided"]


@dataclass(frozen=True)
class JudgedClaim:
    """A claim and its verdict.

    `here` and `there` are the means that it compares, `apart` the bootstrap interval of their
    difference, `per_cent` that of the mean there, None where it may be 0. `p` is of the paired t
    test of whether the claim holds by just `by`, corrected for the other claims of the study. Where
    the verdict is undecided, `needed` seeds decide it with a chance of 80 % if the figures go on as
    they are; None where nobody knows. `share` is how much of the published figures is found, of the
    most and the least.
    """

    claim: Claim
    verdict: Verdict
    why: str = ""
    here: float | None = None
    there: float | None = None
    apart: Measured | None = None
    per_cent: float | None = None
    p: float | None = None
    seeds: int = 0
    needed: int | None = None
    share: tuple[float, float] | None = None


@dataclass(frozen=True)
class _Evidence:
    """By seed, both sides of a claim and by how much it holds; `test` is None without seeds."""

    here: Float[np.ndarray, " seeds"]
    there: Float[np.ndarray, " seeds"]
    margin: Float[np.ndarray, " seeds"]
    test: PairedDifference | None


def judged(claims: Sequence[Claim], cells: Sequence[Sequence[StudyCell]]) -> list[JudgedClaim]:
    """Return the verdicts on claims, of each of which there are the cells of its measure.

    A claim is supported or not where the test says so at 5 % over all claims together, and
    undecided otherwise; one that is exact by the sign of what was found.
    """
    found = [_evidence(*both) for both in zip(claims, cells, strict=True)]
    tested = {
        place: one.test.p
        for place, one in enumerate(found)
        if one.test is not None and one.test.pairs > 1 and not claims[place].exact
    }
    corrected = dict(zip(tested, holm(list(tested.values())), strict=True))
    return [
        _verdict(claim, one, corrected.get(place), max(len(corrected), 1))
        for place, (claim, one) in enumerate(zip(claims, found, strict=True))
    ]


def _evidence(claim: Claim, cells: Sequence[StudyCell]) -> _Evidence:
    """Return what there is to a claim; positive margins are for it."""
    of = [cell for cell in cells if cell.is_of(claim.of)]
    if claim.against:
        against = [cell for cell in cells if cell.is_of(claim.against)]
        names = [name.replace("-", "_") for name in (*claim.of, *claim.against)]
        here, there = paired_values(of, against, names)
    else:
        here = means_by_seed(of)
        there = np.zeros_like(here)
    by = claim.by / 100 * np.abs(there) if claim.per_cent else claim.by
    margin = (here - there) * (1 if claim.direction == "more" else -1) - by
    if not claim.against:
        margin = (here - claim.by) * (1 if claim.direction == "more" else -1)
    return _Evidence(here, there, margin, difference_of(margin) if len(margin) else None)


def _verdict(claim: Claim, one: _Evidence, p: float | None, claims: int) -> JudgedClaim:
    if one.test is None:
        return JudgedClaim(claim, "undecided", "no finished run has both")
    found = JudgedClaim(claim, "undecided", seeds=len(one.here), **_sizes(claim, one))
    if claim.exact:
        signs = set((one.margin > 0).tolist())
        if len(signs) == 2:
            return replace(found, why="said to be exact, and seeds differ")
        return replace(found, verdict="supported" if signs == {True} else "not supported")
    if p is None:
        return replace(found, why="one seed tells nothing of chance")
    found = replace(found, p=p)
    if p < LEVEL:
        return replace(found, verdict="supported" if one.test.mean > 0 else "not supported")
    needed = pairs_to_decide(one.test.mean, one.test.deviation, level=LEVEL / claims)
    return replace(found, needed=needed)


def _sizes(claim: Claim, one: _Evidence) -> dict[str, Any]:
    """Return what was found, in the units of the measure and in per cent."""
    here, there = float(one.here.mean()), float(one.there.mean())
    per_cent = per_cent_of(one.here - one.there, one.there) if claim.against else None
    size = per_cent if claim.per_cent else here - there
    share = None
    if claim.published and size is not None:
        least, most = claim.published
        share = (size / most, size / least)
    return {
        "here": here,
        "there": there if claim.against else None,
        "apart": resampled(one.here - one.there),
        "per_cent": per_cent,
        "share": share,
    }
