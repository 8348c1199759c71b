"""An engine that counts what another spends and stops at a limit, and what a run will spend."""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass

from llm_policy.engines.base import (
    Choices,
    Completion,
    Engine,
    EngineError,
    Interrupted,
    Prompt,
)
from llm_policy.engines.requests import Reply, Request
from llm_policy.engines.wrappers.wrapper import Wrapper


class BudgetError(EngineError):
    """A batch would pass the limit: nothing of it was asked."""


@dataclass(frozen=True)
class Usage:
    """What was or will be spent: prompts, tokens read (some cached) and written, dollars, seconds.

    `seconds` are wall-clock seconds inside the engine, NaN if nobody knows.
    """

    prompts: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    answer_tokens: int = 0
    dollars: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            *(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True))
        )

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.prompt_tokens + self.answer_tokens

    @property
    def seconds_a_prompt(self) -> float:
        """How long a prompt took, 0 if there was none."""
        return self.seconds / self.prompts if self.prompts else 0.0

    def __str__(self) -> str:
        price = f"${self.dollars:,.2f}, " if self.dollars else ""
        duration = "time unknown" if math.isnan(self.seconds) else f"{self.seconds:,.1f} s"
        return (
            f"{self.prompts:,} prompts, {self.prompt_tokens:,} tokens read ({self.cached_tokens:,} "
            f"cached), {self.answer_tokens:,} written, {price}{duration}"
        )


def estimate(
    engine: Engine,
    prompts: Sequence[Prompt],
    *,
    batches: int,
    answer_tokens: int,
    prices: tuple[float, float] = (0.0, 0.0),
    seconds_per_prompt: float = math.nan,
) -> Usage:
    """Return what `batches` batches like `prompts` will spend, with `answer_tokens` to each prompt.

    Tokens are the engine's count of the texts; a chat template adds a few to each prompt. `prices`
    are as in `Budget`. Nothing is asked of a model.
    """
    read = batches * prompt_tokens(engine, prompts)
    written = batches * len(prompts) * answer_tokens
    return Usage(
        prompts=batches * len(prompts),
        prompt_tokens=read,
        answer_tokens=written,
        dollars=price_of(prices, read, written),
        seconds=batches * len(prompts) * seconds_per_prompt,
    )


class Budget(Wrapper):
    """The same protocol as `engine`, until the next batch would pass a limit.

    `tokens` limits those read and written together, `dollars` their price, `seconds` the time
    inside the engine. `prices` are dollars per million tokens read and per million written; cached
    tokens cost as much as others, so that dollars are at most too many. Before each batch its cost
    is estimated: the tokens of its texts, `max_tokens` for every text of `complete` and one for
    every choice, and the time that as many prompts took so far.

    `spent` is the truth, whoever answered: around a journal, `Budget(journal, clock=lambda:
    journal.seconds)`, replayed answers count at their recorded cost, and a resumed run meets the
    limit where an uninterrupted one does. `clock` gives seconds. A batch that failed counts as far
    as it was answered, and again when it is asked again. Budgets with one `purse`, a list that each
    of them joins, share their limits.

    Raises:
        ValueError: a limit or a price makes no sense.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        tokens: int | None = None,
        dollars: float | None = None,
        seconds: float | None = None,
        prices: tuple[float, float] = (0.0, 0.0),
        clock: Callable[[], float] = time.perf_counter,
        purse: list["Budget"] | None = None,
    ) -> None:
        self.spent = Usage()
        self._purse = [] if purse is None else purse
        self._purse.append(self)
        self._engine = engine
        self._limits = {"tokens": tokens, "dollars": dollars, "seconds": seconds}
        self._prices = prices
        self._clock = clock
        _check(self._limits, prices)

    def answer(self, request: Request[Reply]) -> Reply:
        """Return the engine's answers, and add what they cost to what was spent.

        Raises:
            BudgetError: the batch would pass a limit.
        """
        self._foresee(request)
        start = self._clock()
        try:
            reply = request.ask(self._engine)
        except Interrupted as error:
            self.spent += self._usage(error.answers, self._clock() - start)
            raise
        self.spent += self._usage(reply, self._clock() - start)
        return reply

    def _foresee(self, request: Request[Reply]) -> None:
        """Raise an error if the batch would pass a limit.

        No text has more tokens than bytes: far from the limit, that spares counting them.
        """
        prompts, written = request.prompts, request.most_written
        at_most = sum(len(text.encode()) for prompt in prompts for text in prompt)
        if self._passes(len(prompts), at_most, written):
            passed = self._passes(len(prompts), prompt_tokens(self._engine, prompts), written)
            if passed:
                raise BudgetError(passed)

    def _passes(self, prompts: int, read: int, written: int) -> str:
        """Say which limit a batch would pass, or nothing."""
        spent = sum((budget.spent for budget in self._purse), Usage())
        price = price_of(self._prices, read, written)
        more = Usage(prompts, read, 0, written, price, prompts * self.spent.seconds_a_prompt)
        return limit_passed(self._limits, spent, more)

    def _usage(self, answers: Sequence[Completion] | Choices, seconds: float) -> Usage:
        if isinstance(answers, Choices):
            prompts = written = len(answers.leaked)
            read, cached = int(answers.prompt_tokens.sum()), int(answers.cached_tokens.sum())
        else:
            prompts, written = len(answers), sum(answer.answer_tokens for answer in answers)
            read = sum(answer.prompt_tokens for answer in answers)
            cached = sum(answer.cached_tokens for answer in answers)
        return Usage(prompts, read, cached, written, price_of(self._prices, read, written), seconds)


def limit_passed(limits: Mapping[str, float | None], spent: Usage, more: Usage) -> str:
    """Say which limit of "tokens", "dollars" or "seconds" a batch would pass, or nothing."""
    for unit, limit in limits.items():
        so_far, next_ones = getattr(spent, unit), getattr(more, unit)
        if limit is not None and so_far + next_ones > limit:
            return (
                f"The next {more.prompts:,} prompts would take about {next_ones:,.10g} {unit}, and "
                f"{so_far:,.10g} of {limit:,.10g} are spent ({spent}): resume the run with a "
                "higher limit."
            )
    return ""


def price_of(prices: tuple[float, float], read: int, written: int) -> float:
    """Return what tokens cost, in dollars, at `prices` per million read and per million written."""
    return (prices[0] * read + prices[1] * written) / 1e6


def prompt_tokens(engine: Engine, prompts: Sequence[Prompt]) -> int:
    """Return how many tokens the prompts have; a shared text is counted by the engine once."""
    times = Counter(text for prompt in prompts for text in prompt)
    tokens = engine.count(list(times))
    return sum(n * token for n, token in zip(times.values(), tokens, strict=True))


def _check(limits: Mapping[str, float | None], prices: tuple[float, float]) -> None:
    for unit, limit in limits.items():
        if limit is not None and not 0 < limit < math.inf:
            raise ValueError(
                f"A limit of {limit} {unit} makes no sense: give a positive number, or None."
            )
    if not all(0 <= price < math.inf for price in prices):
        raise ValueError(
            f"Prices are dollars per million tokens, read and written, and not {prices}."
        )
    if limits["dollars"] is not None and not any(prices):
        units = "dollars per million tokens read and written"
        raise ValueError(f"A limit of {limits['dollars']} dollars needs prices, in {units}.")
