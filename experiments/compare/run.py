"""The main job: every planner on the same economy, with the same seed and number of evaluations."""

from dataclasses import replace

import jax

from experiments.compare.config import CompareConfig
from experiments.compare.contest import PlannersTable, Progress
from experiments.compare.crews import Players, cast_of, crews_of, modes_of
from experiments.compare.rows import Comparison
from experiments.core.registry import PlanningContext
from llm_policy.engines.base import Engine
from llm_policy.engines.wrappers.tally import Tally


def compare(
    config: CompareConfig, players: Players | Engine | None, progress: Progress
) -> Comparison:
    """Run every planner of `config` under every welfare function, among workers of each kind.

    One engine plays everyone. Figures are as exact as JAX's default precision: enable float64 for
    cents.

    Raises:
        ValueError: a choice makes no comparison, or a language model takes part and there is no
        engine.
        EngineError: the engine cannot answer, or too few of its answers can be read.
    """
    config.check()
    tally = Tally()
    cast = cast_of(config, players, tally)
    law, key = config.status_quo(), jax.random.key(config.seed)
    asked = modes_of(config, cast, law, jax.random.fold_in(key, 0))
    config = replace(config, mode=asked.get("workers", "choice"))
    config.check()
    done = Comparison({}, {}, [], asked=asked, tally=tally)
    for kind in config.workers:
        some = config.among(kind)
        economy = some.economy()
        for crew in crews_of(some, economy, cast, asked, jax.random.fold_in(key, 0), tally):
            if crew.card is not None:
                done.cards.append(crew.card)
            if crew.workforce is not None and done.workers is None:
                done = replace(done, workers=crew.workforce.workers.models)
            recorded = crew.workforce and crew.workforce.workers
            for name in config.welfare:
                setting = PlanningContext(
                    law=law,
                    elasticity=config.told,
                    engine=cast.planners[0] if cast.planners else None,
                    aim=config.aim(name),
                    evaluations=some.evaluations or 1,
                    mode=asked.get("planner", "choice"),
                    most_leaked=config.most_leaked,
                    workers=recorded,
                    steps=config.tax_year,
                    subsistence=config.subsistence,
                    statuses=config.statuses,
                )
                planned = jax.random.fold_in(key, 1)
                contest = PlannersTable(
                    some, economy, setting, crew, cast.planners, tally, asked, planned, progress
                )
                done.tables[contest.title] = contest.rows()
                done.sizes[contest.title] = contest.size
                done.aims[contest.title] = setting.aim.name
                if contest.stand_in is not None:
                    done.stand_ins[contest.title] = contest.stand_in
                done.metrics.extend(contest.metrics)
    return done
