"""What a provider will be asked, and about what it will take, told before it is asked anything."""

from urllib.parse import urlsplit

from experiments.core.config import ModelConfig, RunConfig
from llm_policy.engines.models import PAID, PROVIDERS
from llm_policy.engines.wrappers.budget import price_of

_READ, _WRITTEN = 600, 12
"""Tokens of a usual question and of its answer: a worker's; a planner's has more, but few ask."""


def bills(config: ModelConfig) -> list[str]:
    """Return, for every provider among the servers that takes money, what it is about to take."""
    names = (_provider(server.strip()) for server in (config.server or "").split(","))
    return [f"{name} takes money for its answers. {_estimate(config)}" for name in names if name]


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


def _estimate(config: ModelConfig) -> str:
    """Return about what a run will be asked and take, as far as can be told."""
    if config.questions is None:
        return f"How much {config.model} will be asked is not known beforehand."
    read, written = config.questions * _READ, config.questions * _WRITTEN
    asked = (
        f"{config.model} will be asked about {config.questions:,} questions: {read:,} tokens read, "
        f"{written:,} written"
    )
    if not isinstance(config, RunConfig):
        return f"{asked}."
    dollars = price_of(config.prices, read, written)
    if not dollars:
        return f"{asked}. --prices tells what that costs, --limit-tokens stops it before more."
    return f"{asked}, ${dollars:,.2f}. --limit-dollars stops it before more."
