"""From prompts to the tokens that a model reads, the shared text tokenised once."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from llm_policy.engines._lines import Lines
from llm_policy.engines.base import EngineError, Prompt

_MARK = "<<the-personal-text-goes-here>>"
_SHARED = "<<the-shared-text-goes-here>>"
_ANSWER = "<<the-answer-goes-here>>"


class _Frame(NamedTuple):
    """What surrounds the personal texts that come after one shared text.

    `exact` tells, by a personal text's first and last character, whether the tokens of the whole
    are those of `head` followed by those of the rest.
    """

    head: list[int]
    tail: str
    exact: dict[tuple[str, str], bool]


class Chat:
    """A model's tokenizer and chat template (the one given, else the tokenizer's; "" for none).

    Without a template the shared text, an empty line and the personal text are continued as they
    are. Where a template refuses or leaves out system messages, `system_role` is False and the
    shared text, an empty line and the personal text are one user message.

    Raises:
        EngineError: the template takes no user message either.
    """

    def __init__(self, tokenizer: Any, template: str | None = None) -> None:
        own = tokenizer.get_chat_template() if tokenizer.chat_template else ""
        self.template = own if template is None else template
        self._tokenizer = tokenizer
        self.system_role = self._takes_system()
        self._lines = Lines(self.tokens)
        self._frame = lru_cache(maxsize=64)(self._make_frame)
        self._answers = lru_cache(maxsize=64)(self._make_answers)

    @property
    def digest(self) -> str:
        """A digest of the template, "none" without one."""
        return hashlib.sha256(self.template.encode()).hexdigest()[:16] if self.template else "none"

    def encode(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """Return the tokens of every prompt, ready for the model to answer, thinking turned off.

        Where prompts have their `shared` text in common it is rendered and tokenised once. A
        template that alters the personal text, or a tokenizer that merges across its border, is
        found out by comparison, and then every prompt of the batch is rendered whole.
        """
        distinct = dict.fromkeys(prompt.shared for prompt in prompts)
        if 2 * len(distinct) > len(prompts):
            return self._whole(prompts)
        frames = {shared: self._frame(shared) for shared in distinct}
        if not all(self._is_exact(prompt, frames[prompt.shared]) for prompt in prompts):
            return self._whole(prompts)
        rests = self._lines.tokens([personal + frames[shared].tail for shared, personal in prompts])
        return [
            frames[prompt.shared].head + rest for prompt, rest in zip(prompts, rests, strict=True)
        ]

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each text, without special tokens."""
        return self._encode(texts, add_special_tokens=False)

    def answers(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each text as an answer, which follows the last words of a prompt.

        A tokenizer may begin a text otherwise than within a prompt, and a template may begin
        answers with a space. Where it would join a text to the prompt, these are the text's own.
        """
        return self._answers(tuple(texts))

    def _make_answers(self, texts: tuple[str, ...]) -> list[list[int]]:
        (prompt,) = self._render([Prompt(_SHARED, _MARK)])
        tail = prompt.rpartition(_MARK)[2]
        lead = self._lead(prompt)
        before, *whole = self.tokens([tail, *(tail + lead + text for text in texts)])
        return [
            tokens[len(before) :] if tokens[: len(before)] == before else alone
            for tokens, alone in zip(whole, self.tokens(texts), strict=True)
        ]

    def _lead(self, prompt: str) -> str:
        """Return the white space that the template puts before an answer."""
        if not self.template:
            return ""
        from jinja2 import TemplateError

        chat = _messages(_SHARED, _MARK, system=self.system_role)
        answered = [*chat, {"role": "assistant", "content": _ANSWER}]
        try:
            (text,) = self._apply([answered], add_generation_prompt=False)
        except TemplateError:
            return ""
        lead, found, _ = text.removeprefix(prompt).partition(_ANSWER)
        return lead if found and text.startswith(prompt) and not lead.strip() else ""

    def _encode(self, texts: Sequence[str], *, add_special_tokens: bool) -> list[list[int]]:
        if not texts:
            return []
        return self._tokenizer(
            list(texts),
            add_special_tokens=add_special_tokens,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )["input_ids"]

    def _whole(self, prompts: Sequence[Prompt]) -> list[list[int]]:
        """Return the tokens of every prompt, each rendered and tokenised in one piece."""
        return self._encode(self._render(prompts), add_special_tokens=not self.template)

    def _render(self, prompts: Sequence[Prompt]) -> list[str]:
        if not self.template:
            return [f"{shared}\n\n{personal}\n" for shared, personal in prompts]
        return self._apply([_messages(*prompt, system=self.system_role) for prompt in prompts])

    def _takes_system(self) -> bool:
        """Tell whether the template writes system messages, by a trial."""
        if not self.template:
            return False
        from jinja2 import TemplateError

        for system in (True, False):
            try:
                (text,) = self._apply([_messages(_SHARED, _MARK, system=system)])
            except TemplateError as error:
                reason = str(error)
                continue
            if _SHARED in text:
                return system
            reason = "it leaves the text out"
        raise EngineError(
            f"The model's chat template takes neither a system nor a user message ({reason}): use "
            "a model that is made for chats."
        )

    def _apply(
        self, chats: list[list[dict[str, str]]], *, add_generation_prompt: bool = True
    ) -> list[str]:
        return self._tokenizer.apply_chat_template(
            chats,
            chat_template=self.template,
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            enable_thinking=False,
        )

    def _make_frame(self, shared: str) -> _Frame:
        """Return what surrounds a personal text after `shared`."""
        (text,) = self._render([Prompt(shared, _MARK)])
        head, _, tail = text.partition(_MARK)
        (tokens,) = self._encode([head], add_special_tokens=not self.template)
        return _Frame(tokens, tail, {})

    def _is_exact(self, prompt: Prompt, frame: _Frame) -> bool:
        """Tell whether `prompt` comes from `frame` exactly.

        They are compared once per pair of end characters.
        """
        personal = prompt.personal
        if personal[:1].isspace():
            return False
        ends = personal[:1], personal[-1:]
        if ends not in frame.exact:
            (rest,) = self.tokens([personal + frame.tail])
            frame.exact[ends] = self._whole([prompt]) == [frame.head + rest]
        return frame.exact[ends]


def _messages(shared: str, personal: str, *, system: bool) -> list[dict[str, str]]:
    if system:
        return [{"role": "system", "content": shared}, {"role": "user", "content": personal}]
    return [{"role": "user", "content": f"{shared}\n\n{personal}"}]
