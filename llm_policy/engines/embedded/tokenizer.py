"""The tokenizer and the chat template in a model's folder, read without transformers."""

import datetime
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from llm_policy.engines.base import EngineError
from llm_policy.engines.provenance import stated_config


class Tokens:
    """What `Chat` asks of a tokenizer, from tokenizer.json and tokenizer_config.json in `folder`.

    The chat template is the one in chat_template.jinja, else the one in tokenizer_config.json, else
    "". `end` is the token that ends an answer, as tokenizer_config.json has it, else
    generation_config.json or config.json; `ends` are all tokens that do.

    Raises:
        EngineError: the tokenizer has no such token.
    """

    def __init__(self, folder: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        self.chat_template = _template(folder, config)
        self._special = {
            name: text
            for name, value in config.items()
            if name.endswith("_token") and (text := _text(value))
        }
        own = self.tokenizer.token_to_id(self._special.get("eos_token", ""))
        ends = [] if own is None else [own]
        self.ends = list(dict.fromkeys([*ends, *_stated_ends(folder)]))
        if not self.ends:
            raise EngineError(
                f"tokenizer_config.json in {folder} names no eos_token: name what ends answers."
            )
        self.end = self.ends[0]
        self._environment = _environment()

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


class _Generation(Extension):
    """The blocks {% generation %} of templates, which mark answers for training: left as they are.

    transformers has them too.
    """

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Return what is in the block."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment() -> ImmutableSandboxedEnvironment:
    """Return what chat templates may use: the same as in transformers."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols", _Generation]
    )
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    environment.filters["tojson"] = _to_json
    return environment


def _template(folder: Path, config: Mapping[str, Any]) -> str:
    """Return the chat template; of several, which have names, the one called default."""
    separate = folder / "chat_template.jinja"
    if separate.is_file():
        return separate.read_text(encoding="utf-8")
    own = config.get("chat_template") or ""
    return (
        own if isinstance(own, str) else {each["name"]: each["template"] for each in own}["default"]
    )


def _stated_ends(folder: Path) -> list[int]:
    """Return the tokens that end an answer as generation_config.json says, else config.json."""
    file = folder / "generation_config.json"
    generation = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    ends = generation.get("eos_token_id", stated_config(folder).get("eos_token_id"))
    return [end for end in (ends if isinstance(ends, list) else [ends]) if end is not None]


def _text(token: Any) -> str:
    """Return the text of a special token, which may be stated with its properties."""
    token = token.get("content") if isinstance(token, dict) else token
    return token if isinstance(token, str) else ""


def _to_json(value: Any, **options: Any) -> str:
    return json.dumps(value, **{"ensure_ascii": False, **options})


def _refuse(message: str) -> None:
    raise TemplateError(message)
