"""Checks of a simulation's choices: who works, how they change, what is reformed."""

from typing import TYPE_CHECKING

from experiments.core.checks import require_at_least

if TYPE_CHECKING:
    from experiments.simulate.config import SimulateConfig


def check_who_works(config: "SimulateConfig") -> None:
    """Refuse of workers who are no language models what only these do.

    Raises:
        ValueError: there is some of it.
    """
    if config.workers == "llm":
        return
    models_only = {
        "--scenario democratic": config.elects,
        "--people": config.people != "template",
        "--population": config.population is not None,
        "--altruistic": config.altruistic > 0,
        "--adversarial": config.adversarial > 0,
        "--one-model": config.one_model,
        "--satisfaction-counts": config.satisfaction_counts,
        "--mode text": config.mode == "text",
        "--scenario rational": config.scenario == "rational" and config.workers == "formula",
        "--certificate": bool(config.certificate) and config.workers == "rational",
    }
    for flag, said in models_only.items():
        if said:
            raise ValueError(
                f"{flag} is of language models: leave it out, or give --workers llm in place of "
                f"{config.workers}."
            )


def check_dynamics(config: "SimulateConfig") -> None:
    """Refuse what makes no habits, no skills, or nobody who decides.

    Raises:
        ValueError: there is some.
    """
    if not 0 < config.adapt <= 1:
        raise ValueError(
            f"--adapt is a share of the way, above 0 and at most 1; got {config.adapt}."
        )
    if not 0 <= config.skill_sigma < float("inf"):
        raise ValueError(
            f"--skill-sigma is a standard deviation, 0 or more; got {config.skill_sigma}."
        )
    if not -1 < config.skill_persistence < 1:
        raise ValueError(
            "--skill-persistence lies between -1 and 1, where skills have a long run; got "
            f"{config.skill_persistence}."
        )
    require_at_least(1, "stand_for", config.stand_for)
    alone = {
        "--one-model": config.one_model,
        "--scenario democratic": config.elects,
        "--satisfaction-counts": config.satisfaction_counts,
    }
    for flag, said in alone.items():
        if said and config.stand_for > 1:
            raise ValueError(
                "--stand-for lets one worker decide hours for others, who are not asked: leave it "
                f"out, or {flag}."
            )


def check_reform(config: "SimulateConfig") -> None:
    """Refuse a reform that nobody could see, or that is not the only one.

    Raises:
        ValueError: it is such a one.
    """
    year = config.reform_year
    if year is None:
        return
    if config.elects or config.planner != "fixed":
        raise ValueError("--reform-year changes a law that stays otherwise: give --planner fixed.")
    if not 2 <= year <= config.tax_years:
        raise ValueError(
            f"--reform-year is from 2 to the last of --tax-years, {config.tax_years}; got {year}."
        )
    if not 0 < config.reform_keep <= _MOST_KEPT or config.reform_keep == 1:
        raise ValueError(
            f"--reform-keep is above 0, at most {_MOST_KEPT:g} and not 1, which changes nothing; "
            f"got {config.reform_keep}."
        )


_MOST_KEPT = 1.5
