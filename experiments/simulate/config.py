"""What a simulation is: every choice that its figures depend on.

JAX is imported where it computes.
"""

import dataclasses
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

from experiments.core.checks import COSTS, require_at_least, require_some
from experiments.core.config import AnsweringConfig, WelfareName
from experiments.validity.config import CertifiedConfig

if TYPE_CHECKING:
    from econjax import BracketSchedule
    from llm_policy.prompts.election import ElectionRules
    from llm_policy.prompts.planner import PlannerStyle
    from llm_policy.prompts.workers import Style

Scenario = Literal["rational", "bounded", "democratic"]
WhoWorks = Literal["llm", "formula", "rational"]
GovernmentName = Literal["llm", "fixed", "laissez-faire", "flat", "random", "saez", "gradient"]

PEOPLE = "people.csv"
"""The file of a run's people, which another run can take over."""
_AT_LEAST_1 = (
    "tax_years",
    "tax_year",
    "seeds",
    "term",
    "candidates",
    "term_limit",
    "planner_shown",
)
_THRESHOLDS = {"flat": (0.0,), "three": (0.0, 90_000.0, 159_100.0)}


@dataclass(frozen=True)
class SimulateConfig(CertifiedConfig, AnsweringConfig):
    """Let workers live through tax years, under a planner or elected leaders."""

    agents: int | None = None
    """Workers on the quantile grid; 20 if not given."""
    workers: WhoWorks = "llm"
    """Who works: language models, the formula that econjax-small was taught, or people who choose
    best for the schedule and the last rebate (no model is asked of these two)."""
    scenario: Scenario = "bounded"
    """rational: workers are told their utility; bounded: they have personas and say whether
    taxes satisfy them; democratic: bounded, and they elect who sets the taxes."""
    planner: GovernmentName = "llm"
    """Who sets the taxes, unless they are elected; fixed keeps the first schedule."""
    welfare: WelfareName = "atkinson"
    """The welfare function that the planner, or a leader for society, maximises."""
    score: tuple[WelfareName, ...] = ()
    """Welfare functions under which every step is scored; the one that is maximised if not
    given."""
    tax_years: int = 4
    """Tax years, each under one schedule."""
    tax_year: int = 8
    """Steps of labor in a tax year: a length, not a calendar year (128 in the LLM Economist)."""
    seeds: int = 1
    """How often everything is lived, with --seed and the seeds after it: personas, draws and
    answers differ, and a table shows means over seeds with intervals."""
    warmup: int = 1
    """Tax years at the first schedule before a language-model planner is asked."""
    brackets: Literal["us", "three", "flat"] = "us"
    """Brackets: the seven of the federal law, three (from $0, $90,000 and $159,100), or one."""
    thresholds: tuple[float, ...] = ()
    """Brackets of your own instead: where each begins, in dollars a year, the first at 0."""
    start: float | None = None
    """Rate of every bracket in the first schedule; the law's rate at each threshold if not
    given."""

    people: Literal["template", "written", "roles", "traits"] = "template"
    """Personas: labor-force data in fixed sentences, the same in the model's own words, a list
    of roles, or labor-force data with personality traits."""
    population: str | None = None
    """A file of people saved by an earlier run (people.csv in its directory), instead of new
    ones."""
    altruistic: float = 0.0
    """Share of workers who aim at everybody's welfare."""
    adversarial: float = 0.0
    """Share of workers who aim at harming it; the others aim at their own utility."""
    one_model: bool = False
    """One language-model worker; the others always work the same hours, drawn from 40 to 60 a
    week."""
    satisfaction_counts: bool = False
    """Let satisfaction enter welfare, not only what workers aim at."""
    think: bool = False
    """Let workers and planner write a thought before the answer (text mode)."""
    history: int = 10
    """Latest steps that a worker rereads."""
    best: int = 5
    """Best steps that a worker rereads."""
    averages: bool = True
    """Tell workers their mean hours and result so far."""
    nudges: bool = True
    """Tell workers which way their last change of hours points."""
    adapt: float = 1.0
    """Share of the way from their last hours to those that they choose that workers go in a step:
    1 is all of it. They are not told, and remember the hours that they worked."""
    skill_sigma: float = 0.0
    """Standard deviation of the shocks to log skills in each step; 0: skills stay. Workers know
    their own skill."""
    skill_persistence: float = 0.9
    """What is left of the log deviation of skills in the next step, between -1 and 1."""
    stand_for: int = 1
    """Let one worker decide for so many of neighbouring skills, who work the same hours: so many
    times fewer are asked."""
    reform_year: int | None = None
    """Tax year from which on a reform is in force, 2 or later, with --planner fixed. A table then
    sets elasticities of hours and income to the net-of-tax rate beside each other: of the same
    workers asked under both laws, before and after, and beside themselves without the reform."""
    reform_keep: float = 0.8
    """Share of every net-of-tax rate, 1 less the rate, that the reform leaves."""
    most_unread: float = 0.2
    """Stop when more than this share of the answers of workers, voters or a planner cannot be
    read."""

    answer: Literal["changes", "rates"] = "changes"
    """How a planner answers: changes of -20 to 20 percentage points, or the rates themselves in per
    cent."""
    explore: bool = True
    """Tell workers and planner to try what they have not tried."""
    exploit: bool = True
    """Tell a planner to come back to the best it knows."""
    reflect: bool = True
    """Tell a planner how the last schedule compares with the one before."""
    observe: bool = True
    """Show a planner the distribution of incomes and utilities."""
    planner_history: Literal["kept", "none", "shuffled"] = "kept"
    """What a planner or leader rereads of the tax years before: all that is shown, none, or each
    schedule with the result of another."""
    planner_shown: int = 5
    """Best schedules that it rereads, and as many of the latest tax years."""
    queries: int = 0
    """What-if questions to the exact core that a planner may ask each tax year."""

    platforms: bool = True
    """Democratic: candidates stand with a change of rates; otherwise everyone can be voted for."""
    candidates: int | None = 5
    """Democratic: at most so many candidates, drawn by lot."""
    rule: Literal["plurality", "borda", "approval"] = "plurality"
    """Democratic: the voting rule."""
    term: int = 1
    """Democratic: tax years between elections."""
    term_limit: int | None = None
    """Democratic: terms that one leader may serve."""
    leader: Literal["self", "society"] = "self"
    """Democratic: whose good a leader is told to maximise."""

    @property
    def usual(self) -> int:
        """The number of workers if none is given."""
        return 20

    @property
    def steps(self) -> int:
        """Steps of labor in the whole run."""
        return self.tax_years * self.tax_year

    @property
    def questions(self) -> int:
        """About how many questions the models are asked."""
        workers = -(-self.size // self.stand_for) if self.workers == "llm" else 0
        return self.seeds * (workers * (self.tax_years + self.asked_steps) + self.tax_years)

    @property
    def lived_steps(self) -> int:
        """Steps of labor that are lived, those of twins without a reform included."""
        twins = 0 if self.reform_year is None else self.tax_years - self.reform_year + 1
        return self.steps + twins * self.tax_year

    @property
    def asked_steps(self) -> int:
        """How often each worker is asked for hours: about a reform four times beside its life."""
        return self.lived_steps + 4 * (self.reform_year is not None)

    @property
    def asks_a_model(self) -> bool:
        """Whether anyone in the run is a language model."""
        return self.workers == "llm" or self.model_plans

    def _check(self) -> None:
        from experiments.simulate.checks import check_dynamics, check_reform, check_who_works

        check_who_works(self)
        check_dynamics(self)
        check_reform(self)
        for name in _AT_LEAST_1:
            require_at_least(1, name, getattr(self, name))
        for name in ("warmup", "queries"):
            require_at_least(0, name, getattr(self, name))
        require_some("score", self.scores, get_args(WelfareName))
        for name in ("altruistic", "adversarial", "most_unread"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"--{name.replace('_', '-')} is a share from 0 to 1; got {getattr(self, name)}."
                )
        if self.altruistic + self.adversarial > 1:
            raise ValueError(
                "--altruistic and --adversarial are shares of the workers and sum to 1 at most; "
                f"got {self.altruistic} and {self.adversarial}."
            )
        if self.start is not None and not 0 <= self.start <= 1:
            raise ValueError(
                f"--start is a rate, a share of a dollar from 0 to 1; got {self.start}."
            )
        rising = all(low < high for low, high in itertools.pairwise(self.thresholds))
        if self.thresholds and (self.thresholds[0] != 0 or not rising):
            raise ValueError(
                "--thresholds rise from 0, in dollars a year; got "
                f"{' '.join(map(str, self.thresholds))}."
            )
        if self.elects and self.one_model:
            raise ValueError(
                "--one-model is one language model, who cannot be an electorate: leave it out."
            )
        if self.scenario == "rational" and (self.population or self.people != "template"):
            raise ValueError(
                "Rational workers have no personas: leave out --people and --population."
            )
        if self.population is not None and not Path(self.population).is_file():
            raise ValueError(
                f"--population: there is no file {self.population}. Give the people.csv of a "
                "run's directory."
            )
        if self.queries and (self.elects or self.planner != "llm"):
            raise ValueError(
                "--queries are for a planner who is a language model and not elected; got "
                f"{self.queries}: leave them out."
            )
        if self.scenario == "rational" and self.satisfaction_counts:
            raise ValueError(
                "Rational workers are not asked for satisfaction: leave out --satisfaction-counts."
            )
        self.style()
        self.schedule()

    @property
    def elects(self) -> bool:
        """Whether the workers elect who sets the taxes."""
        return self.scenario == "democratic"

    @property
    def model_plans(self) -> bool:
        """Whether a language model sets the taxes, as a planner or as a leader."""
        return self.elects or self.planner == "llm"

    @property
    def asked(self) -> dict[str, str]:
        """Who is a language model, and how it answers: leaders and voters always in words."""
        takes_part: dict[str, bool] = {"planner": self.model_plans, "voters": self.elects}
        works: dict[str, str] = {"workers": self.mode} if self.workers == "llm" else {}
        return works | {who: "text" for who, does in takes_part.items() if does}

    def carried(self) -> dict[str, bytes]:
        """Return the files that a run keeps of the economy, and of people whom it takes over."""
        own = {} if self.population is None else {PEOPLE: Path(self.population).read_bytes()}
        return super().carried() | own

    def of_run(self, path: Path) -> Self:
        """Return the choices with the people that a run kept, where it took over others'."""
        kept, own = path / PEOPLE, super().of_run(path)
        return (
            dataclasses.replace(own, population=str(kept))
            if own.population and kept.is_file()
            else own
        )

    def scored(self, score: tuple[str, ...]) -> Self:
        """Return the choices with other welfare functions to score the run under."""
        chosen: Any = score or self.score
        return dataclasses.replace(self, score=chosen)

    def tolerant(self) -> Self:
        """Return the choices without limits, nor on unreadable answers: it met them all."""
        return dataclasses.replace(self, most_unread=1.0, **dict.fromkeys(COSTS))

    @property
    def scores(self) -> tuple[WelfareName, ...]:
        """The welfare functions under which every step is scored."""
        return self.score or (self.welfare,)

    def style(self) -> "Style":
        """Return how workers are asked: in text mode while their mode is not known."""
        from llm_policy.prompts.workers import Style

        return Style(
            mode="text" if self.mode == "auto" else self.mode,
            think=self.think and self.workers == "llm",
            history=self.history,
            best=self.best,
            averages=self.averages,
            nudges=self.nudges,
            explore=self.explore,
            statuses=self.statuses,
        )

    def planner_style(self) -> "PlannerStyle":
        """Return how a planner, or a leader, is asked."""
        from llm_policy.prompts.planner import PlannerStyle

        return PlannerStyle(
            answer=self.answer,
            think=self.think,
            explore=self.explore,
            exploit=self.exploit,
            reflect=self.reflect,
            observe=self.observe,
            statuses=self.statuses,
            shown=self.planner_shown,
            history=self.planner_history,
        )

    def rules(self) -> "ElectionRules":
        """Return the rules of the elections."""
        from llm_policy.prompts.election import ElectionRules

        return ElectionRules(
            platforms=self.platforms,
            candidates=self.candidates,
            rule=self.rule,
            term=self.term,
            term_limit=self.term_limit,
            leader=self.leader,
        )

    def schedule(self) -> "BracketSchedule":
        """Return the first schedule."""
        import jax.numpy as jnp

        from econjax import BracketSchedule

        law = self.status_quo()
        own = self.thresholds or _THRESHOLDS.get(self.brackets)
        if own is None and law.groups is not None:
            rates = law.rates if self.start is None else jnp.full_like(law.rates, self.start)
            return BracketSchedule(law.thresholds, rates)
        if self.start is None and law.groups is not None:
            raise ValueError(
                "Brackets of your own are one schedule for all, and the law has one for each "
                "status: say at which rate they begin, by --start, or tax all as one by --status."
            )
        thresholds = law.thresholds if own is None else jnp.asarray(own)
        rates = (
            law.marginal_rate(thresholds)
            if self.start is None
            else jnp.full(thresholds.shape, self.start)
        )
        return BracketSchedule(thresholds, rates)
