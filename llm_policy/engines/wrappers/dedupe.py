"""An engine that asks another each distinct prompt once."""

from collections.abc import Sequence

from llm_policy.engines.base import Engine, Interrupted, Prompt
from llm_policy.engines.requests import Reply, Request
from llm_policy.engines.wrappers.wrapper import Wrapper


class Dedupe(Wrapper):
    """The same protocol as `engine`: asks it each distinct prompt of a batch once.

    Equal prompts get the same scores from `choose`, and texts of their own from `complete`: one
    prompt is asked for the samples of all its equals, and they are dealt out in order, never
    averaged. The first of the equals carries the whole cost and the others none, so that costs sum
    to what was spent.

    `asked` and `distinct` count the prompts that came in and those that went on. It belongs outside
    a budget and a journal, `Dedupe(Budget(Journal(engine)))`, so that they meet distinct prompts
    only.
    """

    def __init__(self, engine: Engine) -> None:
        self.asked = self.distinct = 0
        self._engine = engine

    def answer(self, request: Request[Reply]) -> Reply:
        """Return the answers to every prompt; those asked for equally many equals are one batch.

        Raises:
            EngineError: the engine's own; an `Interrupted` also holds the answers of the batches
            before, and names the places of all the equals.
        """
        parts: list[Reply] = []
        answered: list[int] = []

        def deal(reply: Reply, group: Sequence[list[int]]) -> None:
            parts.append(request.dealt(reply, [len(places) for places in group]))
            answered.extend(place for places in group for place in places)

        for times, group in self._batches(request).items():
            asked = request.about([request.prompts[places[0]] for places in group])
            try:
                deal(asked.repeated(times).ask(self._engine), group)
            except Interrupted as error:
                deal(request.given(error), [group[row] for row in error.done])
                whole = request.join(parts, answered)
                raise Interrupted(str(error), sorted(answered), whole) from error
        return request.join(parts, answered)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text; each distinct text is counted once."""
        distinct = list(dict.fromkeys(texts))
        tokens = dict(zip(distinct, self._engine.count(distinct), strict=True))
        return [tokens[text] for text in texts]

    def _batches(self, request: Request[Reply]) -> dict[int, list[list[int]]]:
        """Return the places of each distinct prompt, by how often it is to be asked.

        Prompts are counted. An empty request is one batch: an engine still checks what is asked.
        """
        places: dict[Prompt, list[int]] = {}
        for place, prompt in enumerate(request.prompts):
            places.setdefault(prompt, []).append(place)
        self.asked += len(request.prompts)
        self.distinct += len(places)
        batches: dict[int, list[list[int]]] = {} if places else {1: []}
        for equals in places.values():
            batches.setdefault(request.times(len(equals)), []).append(equals)
        return batches
