"""The tokenizer and the chat template in a model's folder, read without transformers."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from llm_policy.engines.base import EngineError


class Tokens:
    """What `Chat` asks of a tokenizer, from tokenizer.json and tokenizer_config.json in `folder`.

    The chat template is the one in chat_template.jinja, else the one in tokenizer_config.json, else
    "". `end` is the token that ends an answer.

    Raises:
        EngineError: the tokenizer has no such token.
    """

    def __init__(self, folder: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        separate = folder / "chat_template.jinja"
        own = (
            separate.read_text(encoding="utf-8")
            if separate.is_file()
            else config.get("chat_template")
        )
        self.chat_template: str = own or ""
        self._special = {
            name: text for name, text in config.items() if name.endswith("_token") and text
        }
        end = self.tokenizer.token_to_id(self._special.get("eos_token", ""))
        if end is None:
            raise EngineError(
                f"tokenizer_config.json in {folder} names no eos_token: name what ends answers."
            )
        self.end: int = end
        self._environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        self._environment.globals["raise_exception"] = _refuse

    def __call__(
        self, texts: Sequence[str], *, add_special_tokens: bool, **_: Any
    ) -> dict[str, list[list[int]]]:
        """Return the tokens of each text, under "input_ids"."""
        encoded = self.tokenizer.encode_batch(list(texts), add_special_tokens=add_special_tokens)
        return {"input_ids": [text.ids for text in encoded]}

    def get_chat_template(self) -> str:
        """Return the chat template."""
        return self.chat_template

    def apply_chat_template(
        self,
        chats: Sequence[Sequence[Mapping[str, str]]],
        *,
        chat_template: str,
        tokenize: bool,
        **names: Any,
    ) -> list[str]:
        """Return the text of each chat.

        `names` are what the template may ask for. `tokenize` is False.
        """
        template = self._environment.from_string(chat_template)
        return [template.render(messages=chat, **self._special, **names) for chat in chats]


def _refuse(message: str) -> None:
    raise TemplateError(message)
