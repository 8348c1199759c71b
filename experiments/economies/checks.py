"""What cannot stand together in an economy file, or is no value there."""

from typing import Any

from experiments.economies.sections import Credit, Document, Incomes, Law, Preferences

_Clash = tuple[Any, tuple[str, ...], str]
"""Whether something is wrong, the key to blame, and what is said of it."""


def clashes(document: Document) -> list[tuple[tuple[str, ...], str]]:
    """Return what cannot stand together, or is no value, each with the key to blame."""
    checks = [
        *_of_incomes(document.incomes),
        *_of_law(document.law),
        *(clash for name, credit in document.credits.items() for clash in _of_credit(name, credit)),
        *_of_preferences(document.preferences),
        *_of_the_rest(document),
    ]
    return [(keys, message) for wrong, keys, message in checks if wrong]


def _of_incomes(incomes: Incomes) -> list[_Clash]:
    return [
        (
            incomes.distribution and incomes.file,
            ("incomes", "file"),
            "incomes come from a distribution or from a file: leave one out.",
        ),
        (
            (incomes.top_code is None) != (incomes.pareto_index is None),
            ("incomes", "top_code" if incomes.top_code is not None else "pareto_index"),
            "a top code comes with the pareto_index of the tail above it: give both, or neither.",
        ),
        (
            incomes.pareto_index is not None and not 1 < incomes.pareto_index < 1e6,
            ("incomes", "pareto_index"),
            f"pareto_index is above 1, or the tail has no mean; got {incomes.pareto_index}.",
        ),
        (
            incomes.top_code is not None and not incomes.top_code > 0,
            ("incomes", "top_code"),
            f"top_code is an amount above 0; got {incomes.top_code}.",
        ),
    ]


def _of_law(law: Law) -> list[_Clash]:
    own = [bool(law.thresholds or law.rates), bool(law.file), bool(law.by_status)]
    return [
        (
            sum(own) > 1,
            ("law",),
            "the law is thresholds and rates, a file, or by_status: keep one of them.",
        ),
        (
            bool(law.thresholds) != bool(law.rates),
            ("law", "thresholds" if law.thresholds else "rates"),
            "a law has as many rates as thresholds: give both lists.",
        ),
        (
            law.is_own and (law.year is not None or law.deduction),
            ("law", "year" if law.year is not None else "deduction"),
            "year and deduction are of the federal law of the United States: leave them out.",
        ),
    ]


def _of_credit(name: str, credit: Credit) -> list[_Clash]:
    begun = credit.most / credit.phase_in if credit.phase_in else 0.0
    until = credit.until
    return [
        *(
            (
                (rate := getattr(credit, key)) is not None and not 0 < rate <= 1,
                ("credits", name, key),
                f"{key} is a share of money above 0, 1 at most: 34 % is 0.34; got {rate}.",
            )
            for key in ("phase_in", "phase_out")
        ),
        (
            not 0 < credit.most < float("inf"),
            ("credits", name, "most"),
            f"most is the money a year that the credit rises to, above 0; got {credit.most}.",
        ),
        (
            (until is None) != (credit.phase_out is None),
            ("credits", name, "until" if until is not None else "phase_out"),
            "a credit is taken back from an income until on, at the rate phase_out: give both, or "
            "neither.",
        ),
        (
            until is not None and not begun <= until < float("inf"),
            ("credits", name, "until"),
            f"until is the income at which the credit begins to fall, no less than {begun:,.0f}, "
            f"at which it has risen to most; got {until}.",
        ),
        (
            credit.children is None and credit.or_more,
            ("credits", name, "or_more"),
            "or_more is of children: say how many.",
        ),
    ]


def _of_preferences(wants: Preferences) -> list[_Clash]:
    takes, needs = _TAKES[wants.kind]
    given = {name for name in _PARAMETERS if getattr(wants, name) is not None}
    alien, missing = sorted(given - takes), sorted(needs - given)
    return [
        (
            alien,
            ("preferences", *alien[:1]),
            f"{wants.kind} preferences have no {''.join(alien[:1])}: they take "
            f"{', '.join(sorted(takes))}.",
        ),
        (
            missing,
            ("preferences", "kind"),
            f"{wants.kind} preferences need {' and '.join(missing)}: add it.",
        ),
    ]


def _of_the_rest(document: Document) -> list[_Clash]:
    welfare, money = document.welfare, document.currency
    return [
        (
            not 0 <= (welfare.aversion or 0) < float("inf"),
            ("welfare", "aversion"),
            f"aversion is 0 or more and finite; got {welfare.aversion}. For the worst-off alone: "
            'functions = ["rawlsian"].',
        ),
        (
            not 0 <= (welfare.inverse_income or 0) < float("inf"),
            ("welfare", "inverse_income"),
            f"inverse_income is a floor in money a year, 0 or more; got {welfare.inverse_income}.",
        ),
        (
            not 0 <= (welfare.subsistence or 0) < float("inf"),
            ("welfare", "subsistence"),
            f"subsistence is money a year, 0 or more; got {welfare.subsistence}.",
        ),
        (
            not (money.name.isalpha() and money.symbol.strip()),
            ("currency", "name" if not money.name.isalpha() else "symbol"),
            'a currency has a name of one word in the plural, such as "crowns", and a symbol.',
        ),
    ]


_TAKES = {
    "quasilinear": ({"elasticity"}, set()),
    "ghh": ({"elasticity", "curvature", "unit"}, {"curvature"}),
    "isoelastic": (
        {"curvature", "exponent", "scale", "unit"},
        {"curvature", "exponent", "scale"},
    ),
}
_PARAMETERS = ("elasticity", "curvature", "exponent", "scale", "unit")
