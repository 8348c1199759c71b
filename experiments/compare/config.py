"""What a comparison is: every choice that its figures depend on. Light, for the command line."""

import dataclasses
from dataclasses import dataclass
from typing import get_args

from experiments.core.archetypes import WorkforceConfig
from experiments.core.checks import require_at_least, require_some
from experiments.core.config import (
    COMPARED,
    FORMULA,
    MODEL_PLANNERS,
    QUESTIONS_OF_A_PLANNER,
    AnsweringConfig,
    AskedModel,
    KindOfWorkers,
    ModeName,
    PlannerName,
    WelfareName,
    check_planners,
    with_uninformed,
)
from experiments.report.disclosure import SHIPPED
from experiments.validity.config import (
    CertifiedConfig,
    are_models,
    is_corrected,
    require_workers,
)


@dataclass(frozen=True)
class CompareConfig(CertifiedConfig, AnsweringConfig, WorkforceConfig):
    """Compare planners on the same economy, with the same seed and number of evaluations."""

    workers: tuple[str, ...] = get_args(KindOfWorkers)
    """Who works, in tables of their own: rational (exact best responses), llm (language models that
    read personas), and corrected:RUN, those whose chances of hours are tilted by the correction of
    a run of econjax people (or its certificate.json)."""
    agents: int | None = None
    """Workers on the quantile grid; if not given 20 language models, and 10,000 rational ones or
    every record of a data file."""
    welfare: tuple[WelfareName, ...] = ("atkinson", "rawlsian")
    """Welfare functions to maximise, each in a comparison of its own."""
    planners: tuple[PlannerName, ...] = COMPARED
    """Planners to run, separated by spaces; rational workers also get an optimiser without a
    limit."""
    uninformed: bool = True
    """Where a language model plans, also run planners who know nothing: ramp, walk, and the model
    without its history and with its history shuffled."""
    evaluations: int | None = None
    """Evaluations of every planner that learns from them; 40 with rational workers and 6 with
    language models if not given."""
    tax_year: int = 2
    """Steps of labor in one evaluation of language-model workers: a length, not a calendar year."""
    planner_model: tuple[str, ...] = ()
    """Models that plan, each in a row of its own: as for --model, which it is if none is given."""
    planner_server: tuple[str, ...] = ()
    """Servers of --planner-model, one for each or one for all; in this process if none is given."""
    worker_model: tuple[str, ...] = ()
    """Models that work, each in tables of its own: as for --model, which it is if none is given;
    formula stands for the formula that econjax-small was taught, with no model in between."""
    worker_server: tuple[str, ...] = ()
    """Servers of --worker-model, one for each or one for all; in this process if none is given."""
    repetitions: int = 4
    """Independent tax years that language-model workers live under each recommended schedule, from
    which standard errors and what cannot be told apart are known."""
    seeds: int = 1
    """How often everything is done, with --seed and the seeds after it: personas, draws and
    planners differ, and a table shows means over seeds with intervals."""
    keep_memory: bool = False
    """Let language-model workers remember the tax years before, under every planner alike: all
    start from the same 40 hours, and the order of a planner's schedules is part of its result."""
    audited: int = 200
    """Workers asked one by one, beside the archetypes, under the best schedule of a table: what
    archetypes err by, with intervals. 0: nobody."""
    mode: ModeName = "auto"
    """How language models answer: choice (drawn from the model's own probabilities of 0, 10, ...
    100 hours, or of a planner's changes of one rate), or text (any hours from 0 to 100; all
    changes). auto is as the model was taught, workers and planner apart, or else what a probe of a
    few questions finds right for it."""

    def _check(self) -> None:
        for name in ("evaluations", "tax_year", "repetitions", "seeds"):
            require_at_least(1, name, getattr(self, name))
        require_workers(self.workers, get_args(KindOfWorkers))
        require_some("welfare", self.welfare, get_args(WelfareName))
        require_some("planners", self.planners, get_args(PlannerName))
        nobody_left = self.planners == ("surrogate",) and "rational" in self.workers
        if "surrogate" in self.planners and (not self.models_work or nobody_left):
            raise ValueError(
                "The planner surrogate plans for language models: give --workers llm, and another "
                "planner as well if others work."
            )

        asked = self.agents or (self.among("llm").agents if self.models_work else None)
        self.check_archetypes(asked, self.mode, models_work=self.models_work)
        if self.audited:
            require_at_least(LEAST_AUDITED, "audited", self.audited)
        self._check_models()
        self._check_rates()
        check_planners(self, self.planners)
        if self.keep_memory and "surrogate" in self.planners:
            raise ValueError(
                "The planner surrogate predicts tax years that begin anew: leave out "
                "--keep-memory, or that planner."
            )

    @property
    def asks_a_model(self) -> bool:
        """Whether anyone in the run is a language model."""
        return bool(self.models())

    @property
    def questions(self) -> int:
        """About how many questions the models are asked, in choice mode."""
        tables, rows = len(self.welfare), len(self.roster)
        models = len(set(self.roster) & set(MODEL_PLANNERS))
        crews = len(self.who_works) * ("llm" in self.workers)
        crews += sum(map(is_corrected, self.workers))
        works = crews * tables * rows * self.tax_year
        llm, kinds = self.among("llm"), [self.among(kind) for kind in self.workers]
        evaluations = sum(some.evaluations or 0 for some in kinds)
        years = (llm.evaluations or 0) + self.repetitions
        return (
            works * years * self.answering(llm.size)
            + tables * models * evaluations * QUESTIONS_OF_A_PLANNER
        )

    @property
    def models_work(self) -> bool:
        """Whether language models work, corrected or as they are."""
        return any(map(are_models, self.workers))

    @property
    def model_plans(self) -> bool:
        """Whether a planner is a language model."""
        return not set(self.planners).isdisjoint(MODEL_PLANNERS)

    @property
    def roster(self) -> tuple[PlannerName, ...]:
        """All planners of a table."""
        return with_uninformed(self.planners) if self.uninformed else self.planners

    @property
    def who_works(self) -> tuple[AskedModel, ...]:
        """The models that work, `FORMULA` among them."""
        return self._seats(self.worker_model, self.worker_server) if self.models_work else ()

    @property
    def who_plans(self) -> tuple[AskedModel, ...]:
        """The models that plan."""
        models, servers = self.planner_model, self.planner_server
        return self._seats(models, servers) if self.model_plans else ()

    def models(self) -> tuple[AskedModel, ...]:
        """Return the models that the run asks, each of them once."""
        who = dict.fromkeys((*self.who_works, *self.who_plans))
        return tuple(asked for asked in who if asked.model != FORMULA)

    def _seats(self, models: tuple[str, ...], servers: tuple[str, ...]) -> tuple[AskedModel, ...]:
        if not models:
            return (AskedModel(self.model, self.server),)
        places = servers or (None,)
        every = places * len(models) if len(places) == 1 else places
        return tuple(AskedModel(*pair) for pair in zip(models, every, strict=True))

    def _check_models(self) -> None:
        """Check who plays whom.

        Raises:
            ValueError: models that cannot play, or whose servers nobody can tell.
        """
        for part in ("planner", "worker"):
            models, servers = (getattr(self, f"{part}_{what}") for what in ("model", "server"))
            if len(set(models)) < len(models):
                raise ValueError(f"--{part}-model takes each model once; got {' '.join(models)}.")
            if len(servers) not in (0, 1, len(models)) or (servers and not models):
                raise ValueError(
                    f"--{part}-server takes one server for all of --{part}-model, or one for each; "
                    f"got {len(servers)} for {len(models)}."
                )
        if FORMULA in self.planner_model or (FORMULA in self.worker_model and self.mode == "text"):
            raise ValueError(
                f"The model {FORMULA} works, and chooses: give it to --worker-model with --mode "
                "choice."
            )
        names = [asked.model for asked in self.models()]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(
                f"The model {min(twice)} is asked in two places: give it one server wherever it "
                "plays."
            )

    def _check_rates(self) -> None:
        """Refuse more rates than the small model can plan for.

        Raises:
            ValueError: it plans for groups with rates of their own, and they are too many.
        """
        if AskedModel(SHIPPED, None) not in self.who_plans:
            return
        rates = self.status_quo().rates
        if rates.ndim == 2 and rates.size > MOST_RATES:
            raise ValueError(
                f"{SHIPPED} was taught to plan one schedule, and of {rates.size} rates, those of "
                f"{rates.shape[0]} statuses, it gives no answers (of {MOST_RATES} it does): say "
                "--group-rates common where the law's rates are, tax all as one by --status, name "
                "another --planner-model, or leave llm out of --planners."
            )

    def among(self, workers: str) -> "CompareConfig":
        """Return the comparison among workers of one kind, with its numbers filled in."""
        agents, evaluations = _NUMBERS["llm" if are_models(workers) else "rational"]
        return dataclasses.replace(
            self,
            workers=(workers,),
            agents=self.agents or (None if self._takes_all(workers) else agents),
            evaluations=self.evaluations or evaluations,
        )

    def _takes_all(self, workers: str) -> bool:
        """Whether there are as many workers as a data file has records."""
        return workers == "rational" and self.has_own_incomes

    @property
    def numbers(self) -> dict[str, int | None]:
        """The numbers that stand for those that are not given, by name."""
        filled = self.among(self.workers[0]) if len(self.workers) == 1 else self
        return {"agents": filled.agents, "evaluations": filled.evaluations}


LEAST_AUDITED = 32
MOST_RATES = 14
"""Of so many rates of groups the small model was seen to answer, of 28 not."""
_NUMBERS: dict[KindOfWorkers, tuple[int, int]] = {"rational": (10_000, 40), "llm": (20, 6)}
"""Workers, and evaluations of a planner, if not given."""
