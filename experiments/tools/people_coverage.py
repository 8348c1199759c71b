"""Hold the intervals of `econjax people` against a known truth.

Run `python -m experiments.tools.people_coverage --model econjax-small`. A population is asked once;
its own moments are the truth. Samples of it, one person of each quantile of skill as in `econjax
people`, are then measured as there, and each moment's intervals that hold the truth are counted.
Nobody is asked again, so that a hundred samples cost no more than one population.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.core.choices import EngineOptions
from experiments.core.config import FORMULA
from experiments.core.engines import start_engine
from experiments.people.asking import AskedPeople, ways_of
from experiments.people.config import PeopleConfig
from llm_policy.engines.wrappers.tally import Tally
from llm_policy.moments.estimates import MomentEstimate
from llm_policy.moments.measure import MeasuredMoment


def main() -> None:
    """Print by moment and group the truth and how many intervals hold it, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=FORMULA)
    parser.add_argument("--people", type=int, default=2_000, help="whose moments are the truth")
    parser.add_argument("--sample", type=int, default=200, help="people of each sample")
    parser.add_argument("--seeds", type=int, default=100, help="samples")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    formula = chosen.model == FORMULA
    config = PeopleConfig(
        model=chosen.model,
        workers="formula" if formula else "llm",
        agents=chosen.people,
        seed=chosen.seed,
    )
    options = EngineOptions(chosen.model, server=None, temperature=1.0, context=8192)
    people = AskedPeople(config, None if formula else start_engine(options), Tally())
    print(json.dumps(coverage(people, sample=chosen.sample, seeds=chosen.seeds), indent=1))


def coverage(people: AskedPeople, *, sample: int, seeds: int) -> list[dict[str, Any]]:
    """Return, of each moment and group, the truth, and of how many samples the interval holds it.

    `measured` are the samples that have an interval; a moment without a truth is left out.

    Raises:
        EngineError: the engine cannot answer, or too few of its answers can be read.
    """
    [way] = ways_of(people.mode(), every=False, renames=False).values()
    said, rng = people.said(way), np.random.default_rng(people.config.seed)
    strata = np.array_split(np.arange(people.config.size), sample)  # the grid ascends
    truth = _by_name(people.moments(said))
    held: Counter[_Name] = Counter()
    measured: Counter[_Name] = Counter()
    for _ in range(seeds):
        rows = np.array([rng.choice(stratum) for stratum in strata])
        found = _by_name(people.moments(said, rows))
        for name, known in truth.items():
            one = found[name]
            if known.value is not None and one.low is not None and one.high is not None:
                measured[name] += 1
                held[name] += one.low <= known.value <= one.high
    return [
        {
            "moment": name[0],
            "group": name[1],
            "truth": known.value,
            "covered": held[name],
            "measured": measured[name],
        }
        for name, known in truth.items()
        if known.value is not None
    ]


_Name = tuple[str, str]


def _by_name(moments: Sequence[MeasuredMoment]) -> dict[_Name, MomentEstimate]:
    return {(one.moment, one.group): one.estimate for one in moments}


if __name__ == "__main__":
    main()
