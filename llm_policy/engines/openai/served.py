"""The tokens of a model that a vLLM server holds, by its own tokenizer and chat template."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from llm_policy.engines.base import Prompt

_ASKED = Prompt("Answer the question.", "How many?")

SendBody = Callable[[Mapping[str, Any]], list[int]]
"""Sends the body of a request to the server's tokenizer and returns the tokens of its reply."""


class EncodedOptions(NamedTuple):
    """The tokens of options as answers, and what may end an answer."""

    answers: list[list[int]]
    ends: tuple[int, ...]


class ServedTokens:
    """Asks `request` for tokens; `template` is what the chat template is given besides the chat."""

    def __init__(self, request: SendBody, template: Mapping[str, Any]) -> None:
        self._request, self._template = request, dict(template)
        self._known: dict[str, list[int]] = {}

    def text(self, text: str) -> list[int]:
        """Return the tokens of a text, without special tokens."""
        return self._request(text_body(text))

    def prompt_body(self, prompt: Prompt) -> dict[str, Any]:
        """Return the request for the tokens of a prompt, ready for the model to answer."""
        return self._chat_body(prompt, None, add_generation_prompt=True)

    def encoded(self, options: Sequence[str]) -> EncodedOptions:
        """Return the tokens of each option as an answer that follows a prompt.

        A template that gives an answer other surroundings than a prompt asks for leaves each option
        its own tokens, and no end.
        """
        before = self._request(self.prompt_body(_ASKED))
        answers = [self._answer(before, option) for option in options]
        return EncodedOptions(answers, self._end(before, options[0]))

    def _answer(self, before: list[int], option: str) -> list[int]:
        if option not in self._known:
            whole = self._open(option)
            follows = whole[: len(before)] == before
            self._known[option] = whole[len(before) :] if follows else self.text(option)
        return self._known[option]

    def _open(self, option: str) -> list[int]:
        return self._chat(_ASKED, option, add_generation_prompt=False, continue_final_message=True)

    def _end(self, before: list[int], option: str) -> tuple[int, ...]:
        """Return the token that the template puts after an answer, if it does."""
        said = self._open(option)
        ended = self._chat(_ASKED, option, add_generation_prompt=False)
        if said[: len(before)] != before or ended[: len(said)] != said:
            return ()
        return tuple(ended[len(said) : len(said) + 1])

    def _chat(self, prompt: Prompt, answer: str | None, **how: bool) -> list[int]:
        return self._request(self._chat_body(prompt, answer, **how))

    def _chat_body(self, prompt: Prompt, answer: str | None, **how: bool) -> dict[str, Any]:
        said = {"system": prompt.shared, "user": prompt.personal, "assistant": answer}
        messages = [
            {"role": role, "content": text} for role, text in said.items() if text is not None
        ]
        return {"messages": messages, "chat_template_kwargs": self._template, **how}


def text_body(text: str) -> dict[str, Any]:
    """Return the request for the tokens of a text, without special tokens."""
    return {"prompt": text, "add_special_tokens": False}
