"""Votes and leaders: who stood, who won with how many votes, and who was in office when."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.pages.document import Block, Chart, Curve, DataTable, Prose
from experiments.report.rates import rates_text


def election_blocks(
    government: Mapping[str, Any], leaders: Sequence[int | None], size: str
) -> list[Block]:
    """Return tables and a figure of elections; `leaders` by tax year, None where nobody was."""
    elections = government.get("elections") or []
    if not elections:
        return []
    return [Prose((_summary(government),)), leaders_chart(elections, leaders, size)] + [
        ballots_table(election) for election in elections
    ]


def leaders_chart(
    elections: Sequence[Mapping[str, Any]], leaders: Sequence[int | None], size: str
) -> Chart:
    """Return who led in each tax year, and the share of voters who named the winner."""
    years = range(1, len(leaders) + 1)
    share = {e["tax_year"]: _share_of_winner(e) for e in elections}
    held = [
        (year, leader) for year, leader in zip(years, leaders, strict=True) if leader is not None
    ]
    title = "Votes and leaders"
    rows = (
        (
            str(year),
            "nobody" if leader is None else f"worker {leader}",
            f"{100 * share[year]:.0f} %" if year in share else "no election",
        )
        for year, leader in zip(years, leaders, strict=True)
    )
    different = len({leader for _, leader in held})
    return Chart(
        title,
        f"Share of all voters who named the winner, by tax year of the election. {size}.",
        f"{different} different leaders in {len(leaders)} tax years.",
        "tax year",
        "voters for the winner, %",
        (
            Curve(
                "voters for the winner", list(share), [100 * s for s in share.values()], kind="bars"
            ),
        ),
        DataTable(title, ("tax year", "leader", "voters for the winner"), tuple(rows)),
    )


def ballots_table(election: Mapping[str, Any]) -> DataTable:
    """Return an election's candidates with their platforms and how often they were named."""
    first = Counter(ballot[0] for ballot in election["ballots"] if ballot)
    named = Counter(worker for ballot in election["ballots"] for worker in ballot)
    platforms = election["platforms"] or [None] * len(election["candidates"])
    rows = (
        (
            f"worker {worker}" + (", elected" if worker == election["winner"] else ""),
            "-" if rates is None else rates_text(rates),
            str(first[worker]),
            str(named[worker]),
        )
        for worker, rates in zip(election["candidates"], platforms, strict=True)
    )
    return DataTable(
        f"Election for tax year {election['tax_year']}",
        ("candidate", "platform, % by bracket", "named first", "named at all"),
        tuple(rows),
        note=f"{len(election['stood'])} stood; {election['abstentions']} of "
        f"{len(election['ballots'])} voters named nobody; {election['unread']} ballots could not "
        "be read.",
    )


def _share_of_winner(election: Mapping[str, Any]) -> float:
    ballots = election["ballots"]
    return sum(election["winner"] in ballot for ballot in ballots) / max(len(ballots), 1)


def _summary(government: Mapping[str, Any]) -> str:
    turnover, ahead, ratio = (
        government.get(name) for name in ("turnover", "leader_advantage", "minority_ratio")
    )
    return (
        f"Elections that changed the leader: {_known(turnover, '.0%')}. A leader's utility less "
        f"that of the others: {_known(ahead, ',.0f')} a year. Utility of who voted otherwise over "
        f"that of the winner's voters: {_known(ratio, '.2f')}."
    )


def _known(value: float | None, form: str) -> str:
    return "unknown" if value is None else format(value, form)
