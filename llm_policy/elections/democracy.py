"""A democracy of language models: they stand, vote, and the winner sets the schedule for a term."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float, Key

from econjax import BracketSchedule
from econjax.planning import Report
from llm_policy.answers.ballots import ballot_answer, ballot_in, count_ballots
from llm_policy.answers.elicitation import Asker
from llm_policy.answers.orders import balanced_orders
from llm_policy.answers.proposals import (
    answer_tokens,
    platform_in,
    proposal_answer,
    with_listed,
)
from llm_policy.answers.reading import Reading, Value, schema
from llm_policy.elections.state import DemocracyState, Election, TaxYear, as_seen_by
from llm_policy.engines.base import Engine
from llm_policy.engines.requests import TextRequest
from llm_policy.engines.wrappers.tally import tallied
from llm_policy.planners.text import LLMPlanner, LLMPlannerState, as_trial
from llm_policy.prompts.election import OWN_GOAL, ElectionRules, stand_questions, vote_questions
from llm_policy.prompts.planner import PlannerStyle
from llm_policy.prompts.segments import ElectionShared, Question, VoterQuestion, joined


class Democracy:
    """Workers elect one of them by `rules`, who sets each tax year's schedule as `LLMPlanner` does.

    A leader serves `goal`, or itself: it then hears its own utility as the result of each schedule.
    Everyone has one vote, and a list of the candidates in an order of its own: each candidate
    stands at each place of as many lists as any other, or of one fewer. An answer that cannot be
    read is asked again, `attempts` times in all; after that a voter abstains, a worker does not
    stand, and a leader leaves the schedule as it is.
    Every answer is counted. More than `most_unread` of the voters, of those asked to stand or
    of the tax years unread is an error.
    """

    def __init__(
        self,
        engine: Engine,
        start: BracketSchedule,
        *,
        rules: ElectionRules,
        goal: str,
        style: PlannerStyle | None = None,
        attempts: int = 3,
        most_unread: float = 0.2,
    ):
        """Hold the engine and the rules; nobody is elected yet."""
        self.asker = Asker(tallied(engine), attempts, most_unread, who="voters")
        self.start = start
        self.rules = rules
        self.goal = goal
        self.style = style or PlannerStyle()

    def init(self, key: Key[Array, ""]) -> DemocracyState:
        """Return the state before the first election, under the start."""
        return DemocracyState(self.start)

    def decide(
        self, key: Key[Array, ""], state: DemocracyState, *, shared: str, voters: Sequence[str]
    ) -> tuple[BracketSchedule, DemocracyState]:
        """Return the schedule of the next tax year, after an election where a term is over.

        `shared` says in words how the economy stands, `voters` each worker's own situation.

        Raises:
            ValueError: the last tax year was not told, or the number of workers changes or is 0.
            EngineError: too many answers could not be read, or the engine cannot answer.
        """
        if len(state.leaders) > len(state.years):
            raise ValueError(
                f"Tell what tax year {len(state.leaders)} brought before the next is decided."
            )
        if not voters or state.agents not in (0, len(voters)):
            raise ValueError(
                f"{len(voters)} voters, where there were {state.agents or 'none'} before."
            )
        state, platform = state._replace(agents=len(voters)), None
        if len(state.leaders) % self.rules.term == 0:
            election = self._elect(key, state, shared, voters)
            state = state._replace(elections=(*state.elections, election))
            if election.platforms:
                platform = election.platforms[election.candidates.index(election.winner)]
        leader, schedule = state.elections[-1].winner, state.current
        if platform is not None:
            schedule = with_listed(schedule, platform)
        elif leader is not None:
            schedule, state = self._govern(key, state, f"{shared}\n{voters[leader]}", leader)
        return schedule, state._replace(current=schedule, leaders=(*state.leaders, leader))

    def tell(
        self,
        state: DemocracyState,
        schedule: BracketSchedule,
        report: Report,
        utility: Float[Array, " agents"],
    ) -> DemocracyState:
        """Remember what the tax year brought; `utility` is everybody's mean, NaN where unknown.

        Raises:
            ValueError: no tax year was decided, or the workers are not the voters.
        """
        if len(state.years) >= len(state.leaders):
            raise ValueError("Decide a tax year before telling what it brought.")
        if np.shape(utility) != (state.agents,):
            raise ValueError(
                f"One utility for each of {state.agents} voters; got {np.shape(utility)}."
            )
        year = TaxYear(as_trial(schedule, report), np.asarray(utility, float))
        return state._replace(current=schedule, years=(*state.years, year), report=report)

    def _govern(
        self, key: Key[Array, ""], state: DemocracyState, person: str, leader: int
    ) -> tuple[BracketSchedule, DemocracyState]:
        """Return the schedule that the leader sets."""
        selfish = self.rules.leader == "self"
        planner = LLMPlanner(
            self.asker.engine,
            self.start,
            goal=OWN_GOAL if selfish else self.goal,
            style=self.style,
            person=person,
            warmup=0,
            attempts=self.asker.attempts,
            most_unread=self.asker.most_unread,
        )
        trials = (
            as_seen_by(leader, state.years)
            if selfish
            else tuple(year.trial for year in state.years)
        )
        seen = LLMPlannerState(state.current, trials, state.report, state.unread)
        schedule, seen = planner.ask(key, seen)
        return schedule, state._replace(unread=seen.unread)

    def _elect(
        self, key: Key[Array, ""], state: DemocracyState, shared: str, voters: Sequence[str]
    ) -> Election:
        """Hold an election."""
        draw_key, tie_key = jax.random.split(key)
        served = Counter(election.winner for election in state.elections)
        most = self.rules.term_limit
        eligible = [i for i in range(len(voters)) if most is None or served[i] < most]
        platforms, unread_stands = dict.fromkeys(eligible, ()), 0
        if self.rules.platforms:
            platforms, unread_stands = self._stand(state.current, eligible, shared, voters)
        order = jax.random.permutation(draw_key, np.array(sorted(platforms), int))
        candidates = tuple(order[: self.rules.candidates].tolist())
        election = Election(
            tax_year=len(state.leaders),
            stood=tuple(platforms),
            candidates=candidates,
            platforms=tuple(platforms[i] for i in candidates if self.rules.platforms),
            ballots=(),
            supports=np.zeros(0, bool),
            unread=0,
            unread_stands=unread_stands,
            winner=state.leaders[-1] if state.leaders else None,
        )
        return self._vote(tie_key, state, election, shared, voters) if candidates else election

    def _stand(
        self, current: BracketSchedule, eligible: Sequence[int], shared: str, voters: Sequence[str]
    ) -> tuple[dict[int, tuple[float, ...]], int]:
        """Return the platforms of those who stand, and how many asked were not understood."""
        own = [voters[i] for i in eligible]
        asked = stand_questions(
            current, own, rules=self.rules, goal=self.goal, style=self.style, economy=shared
        )
        properties = {"stands": {"type": "boolean"}} | proposal_answer(
            self.style.answer, current.rates.size
        )
        answers = self._ask(
            asked,
            properties,
            lambda text: platform_in(text, current, self.style.answer),
            numbers=current.rates.size + 1,
        )
        platforms = {i: rates for i, rates in zip(eligible, answers, strict=True) if rates}
        return platforms, answers.count(None)

    def _vote(
        self,
        key: Key[Array, ""],
        state: DemocracyState,
        election: Election,
        shared: str,
        voters: Sequence[str],
    ) -> Election:
        """Return the election after the vote."""
        candidates, rule = election.candidates, self.rules.rule
        count = len(candidates)
        orders = balanced_orders(len(voters), count)
        asked = vote_questions(
            state.current,
            voters,
            candidates,
            rules=self.rules,
            goal=self.goal,
            style=self.style,
            economy=shared,
            platforms=election.platforms,
            past=state.leaders,
            orders=orders,
        )
        answers = self._ask(
            asked,
            ballot_answer(rule, count),
            lambda text: ballot_in(text, rule, count),
            numbers=1 if rule == "plurality" else count,
        )
        ballots = [
            tuple(order[list(ballot or ())].tolist())
            for order, ballot in zip(orders, answers, strict=True)
        ]
        winner = count_ballots(key, ballots, rule, count)
        named = [ballot[: None if rule == "approval" else 1] for ballot in ballots]
        return election._replace(
            ballots=tuple(tuple(candidates[place] for place in ballot) for ballot in ballots),
            supports=np.array([winner in places for places in named], bool),
            unread=answers.count(None),
            winner=candidates[winner],
            orders=orders,
        )

    def _ask(
        self,
        questions: Sequence[Question[ElectionShared, VoterQuestion]],
        properties: Mapping[str, Any],
        read: Callable[[str], Reading[Value]],
        *,
        numbers: int,
    ) -> list[Value | None]:
        """Return an answer to each question, None where none of the attempts could be read."""
        think = self.style.think
        most = answer_tokens(numbers, think=think)
        prompts = joined(questions)
        request = TextRequest(prompts, schema(properties, thought=think), max_tokens=most)
        return [value for value, _ in self.asker.write(request, read)]
