"""What a provider will be asked, and about what it will take, told before it is asked anything."""

from urllib.parse import urlsplit

from experiments.core.choices import EngineOrder
from llm_policy.engines.models import PAID, PROVIDERS
from llm_policy.engines.wrappers.budget import price_of

_READ, _WRITTEN = 600, 12
"""Tokens of a usual question and of its answer: a worker's; a planner's has more, but few ask."""


def bills(order: EngineOrder) -> list[str]:
    """Return, for every provider among the servers that takes money, what it is about to take."""
    names = (_provider(server.strip()) for server in (order.options.server or "").split(","))
    return [f"{name} takes money for its answers. {_estimate(order)}" for name in names if name]


def _provider(server: str) -> str | None:
    """Return the paid provider that a server's name or address is."""
    if server in PAID:
        return server
    if "://" not in server:
        return None
    hosts = {urlsplit(PROVIDERS[name].url).hostname: name for name in PAID}
    try:
        return hosts.get(urlsplit(server).hostname)
    except ValueError:
        return None


def _estimate(order: EngineOrder) -> str:
    """Return about what a run will be asked and take, as far as can be told."""
    model, questions = order.options.model, order.questions
    if questions is None:
        return f"How much {model} will be asked is not known beforehand."
    read, written = questions * _READ, questions * _WRITTEN
    asked = (
        f"{model} will be asked about {questions:,} questions: {read:,} tokens read, "
        f"{written:,} written"
    )
    if order.prices is None:
        return f"{asked}."
    dollars = price_of(order.prices, read, written)
    if not dollars:
        return f"{asked}. --prices tells what that costs, --limit-tokens stops it before more."
    return f"{asked}, ${dollars:,.2f}. --limit-dollars stops it before more."
