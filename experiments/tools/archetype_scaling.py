"""What a step of a crowd costs by its size: model calls, and time on the device a draw of all.

Run `python -m experiments.tools.archetype_scaling --agents 10000 100000 1000000 10000000`. Workers
are of the formula. Times are the least of several, compiled before, of drawing everybody's hours,
settling them and scoring welfare; of CPU, summed over cores, where the device is one.
"""

import argparse
import time

import jax

from econjax import Atkinson, Economy, Quasilinear, calibrate, gb2, us_federal
from llm_policy.archetypes.crowd import crowd_of
from llm_policy.archetypes.device import draws_of, scored
from llm_policy.archetypes.lives import ask
from llm_policy.archetypes.society import ArchetypeSociety, archetypes_of
from llm_policy.people import makes_models
from llm_policy.workers.lived import SUBSISTENCE


def main() -> None:
    """Print a line for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--archetypes", type=int, default=512)
    parser.add_argument("--times", type=int, default=5)
    chosen = parser.parse_args()
    print("workers   archetypes   calls to choose   calls a step   draws   ns a worker and draw")
    for agents in chosen.agents:
        print(_line(agents, chosen.archetypes, chosen.times), flush=True)


def _line(agents: int, most: int, times: int) -> str:
    law, key, welfare = us_federal(2024), jax.random.key(0), Atkinson(1.0)
    economy = Economy(population=calibrate(gb2(agents), law), preferences=Quasilinear(0.25))
    few = archetypes_of(crowd_of(key, economy), makes_models(None), law, most=most)
    chosen = few.calls
    state = ArchetypeSociety(few, welfare).begin(law).next_year(law)
    answers = ask(key, few.workers, state.situation("exploit"), state.memory)
    drawn, economy = few.drawn(answers), few.crowd.economy
    clock = time.process_time if jax.default_backend() == "cpu" else time.perf_counter
    seconds = []
    for _ in range(1 + times):
        started = clock()
        found = scored(key, economy, law, drawn, welfare, SUBSISTENCE)
        jax.block_until_ready(jax.tree.leaves(found[1]))
        seconds.append(clock() - started)
    a_draw = min(seconds[1:]) / (agents * draws_of(agents)) * 1e9
    calls = len(few.workers.models.asked)
    return (
        f"{agents:<9,} {len(few.nodes.cell):<12,} {chosen:<17,} {calls:<14,} "
        f"{draws_of(agents):<7,} {a_draw:.0f}"
    )


if __name__ == "__main__":
    main()
