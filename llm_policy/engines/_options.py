"""Options as a tree of tokens: what is to be scored so that each is scored as an answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from llm_policy.engines._scores import check_distinct
from llm_policy.engines.base import EngineError

_END = -1
_PROMPT = -1


@dataclass(frozen=True)
class OptionTree:
    """Tokens that options share at their beginnings, each a node; the prompt is above all of them.

    Node n is the token `tokens[n]` after node `parents[n]`, which is an earlier one, -1 for the
    prompt. The log probability of each token in `asked` is to be found after the prompt and after
    every node: the options need some of these numbers, which `log_probabilities` picks and sums.
    """

    tokens: Int[np.ndarray, " nodes"]
    parents: Int[np.ndarray, " nodes"]
    asked: tuple[int, ...]
    _steps: tuple[tuple[tuple[int, int], ...], ...]
    _ends: int

    @property
    def options(self) -> int:
        """The number of options."""
        return len(self._steps)

    @property
    def depth(self) -> Int[np.ndarray, " nodes"]:
        """Return how many nodes are above each."""
        depth = np.zeros(len(self.tokens), np.int32)
        for node, parent in enumerate(self.parents.tolist()):
            depth[node] = 0 if parent == _PROMPT else depth[parent] + 1
        return depth

    @property
    def above(self) -> Bool[np.ndarray, "nodes nodes"]:
        """Return which nodes each is or follows."""
        above = np.eye(len(self.tokens), dtype=bool)
        for node, parent in enumerate(self.parents.tolist()):
            above[node] |= parent != _PROMPT and above[parent]
        return above

    @property
    def paths(self) -> list[list[int]]:
        """Return the tokens between the prompt and what may follow at each place."""
        return [[], *(self.tokens[above].tolist() for above in self.above)]

    @property
    def branches(self) -> list[list[int]]:
        """Return the places from the prompt, 0, down to each node that has none below.

        Node n is at place n + 1.
        """
        above, ends = self.above, sorted(set(range(len(self.tokens))) - set(self.parents.tolist()))
        return [[0, *(np.flatnonzero(above[node]) + 1).tolist()] for node in ends] or [[0]]

    @property
    def longest(self) -> int:
        """The most tokens of an answer, its end included."""
        return 1 + int(self.depth.max(initial=-1) + 1)

    def log_probabilities(
        self, scores: Float[np.ndarray, "prompts places asked"]
    ) -> Float[np.ndarray, "prompts options"]:
        """Return each option's log probability, from those `asked` at the prompt and every node."""
        scores = np.asarray(scores, np.float64)
        ends = np.logaddexp.reduce(scores[..., len(self.asked) - self._ends :], axis=-1)
        columns = [
            sum(ends[:, at] if token == _END else scores[:, at, token] for at, token in steps)
            for steps in self._steps
        ]
        return np.stack(columns, axis=1)


def option_tree(
    options: Sequence[str], encodings: Sequence[Sequence[int]], *, ends: Sequence[int]
) -> OptionTree:
    """Return the tree of options, given each one's tokens as an answer and what ends an answer.

    Where each option is a single token, it is scored as the first thing said, whatever follows.
    Otherwise an option is a whole answer: its tokens and then one of `ends`.

    Raises:
        ValueError: there is no option, an option has no tokens, or two have the same.
        EngineError: whole answers are to be scored by a model without an end.
    """
    answers = [tuple(tokens) for tokens in encodings]
    check_distinct(options, answers)
    if () in answers:
        raise ValueError(f"The option {options[answers.index(())]!r} has no tokens: leave it out.")
    whole = max(map(len, answers)) > 1
    if whole and not ends:
        raise EngineError(
            "This model names no token that ends an answer, so answers of several tokens cannot be "
            "scored: name eos_token in its tokenizer_config.json, or use text mode."
        )
    nodes = _nodes(answers if whole else [])
    asked = tuple(dict.fromkeys(token for answer in answers for token in answer))
    column = {token: place for place, token in enumerate(asked)}
    steps = tuple(
        (
            *((nodes[answer[:at]], column[token]) for at, token in enumerate(answer)),
            *([(nodes[answer], _END)] if whole else []),
        )
        for answer in answers
    )
    below = [path for path in nodes if path]
    return OptionTree(
        tokens=np.array([path[-1] for path in below], np.int32),
        parents=np.array([nodes[path[:-1]] - 1 for path in below], np.int32),
        asked=(*asked, *(ends if whole else ())),
        _steps=steps,
        _ends=len(ends) if whole else 0,
    )


def _nodes(answers: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], int]:
    """Return the place of each beginning of an answer: 0 for the prompt, earlier ones first."""
    nodes: dict[tuple[int, ...], int] = {(): 0}
    for answer in answers:
        for length in range(1, len(answer) + 1):
            nodes.setdefault(answer[:length], len(nodes))
    return nodes
