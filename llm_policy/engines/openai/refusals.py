"""What a server refuses of a request, and the smaller request that it answers."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

Body = dict[str, Any]

_KEYWORDS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minLength",
    "maxLength",
    "pattern",
    "format",
)
"""What a schema says of numbers, lists and texts besides their types."""

_FEWER_LOGPROBS = 5
"""How many first tokens to ask for where the server refuses more and names no number."""


class Refusal(NamedTuple):
    """A kind of refusal: how servers word it, what is then sent, and what that means to a user."""

    name: str
    words: str
    reduce: Callable[[Body, str], Body]
    meaning: str


class Manners:
    """What one server has been found to refuse, and how it is asked since."""

    def __init__(self) -> None:
        self._learned: dict[str, str] = {}
        self._told: set[str] = set()

    @property
    def refused(self) -> tuple[str, ...]:
        """The names of what is refused, in the order of `REFUSALS`."""
        return tuple(refusal.name for refusal in REFUSALS if refusal.name in self._learned)

    def fit(self, body: Mapping[str, Any]) -> Body:
        """Return the request as the server takes it, as far as that is known."""
        fitted = dict(body)
        for refusal in REFUSALS:
            if refusal.name in self._learned:
                fitted = refusal.reduce(fitted, self._learned[refusal.name])
        return fitted

    def learn(self, sent: Mapping[str, Any], words: str) -> bool:
        """Take note of why a request was refused; tell whether there is a smaller one to send."""
        for refusal in REFUSALS:
            if re.search(refusal.words, words, re.IGNORECASE | re.DOTALL):
                smaller = refusal.reduce(dict(sent), words)
                if smaller != dict(sent):
                    self._learned[refusal.name] = words
                    return True
        return False

    def news(self) -> list[str]:
        """Return what was learned since this was last asked, in words for a user."""
        new = [one for one in REFUSALS if one.name in self._learned and one.name not in self._told]
        self._told.update(one.name for one in new)
        return [one.meaning for one in new]


def _without(*names: str) -> Callable[[Body, str], Body]:
    """Return what leaves parts out of a request."""
    return lambda body, words: {name: part for name, part in body.items() if name not in names}


def _renamed(body: Body, words: str) -> Body:
    return {
        "max_completion_tokens" if name == "max_tokens" else name: part
        for name, part in body.items()
    }


def _fewer_logprobs(body: Body, words: str) -> Body:
    """Return a request for as many first tokens as the server's words allow."""
    if "top_logprobs" not in body:
        return body
    numbers = [int(number) for number in re.findall(r"\d{1,3}", words)]
    allowed = [number for number in numbers if 1 < number < body["top_logprobs"]]
    most = max(allowed, default=_FEWER_LOGPROBS)
    return body | {"top_logprobs": min(most, body["top_logprobs"])}


def _plain(schema: Any) -> Any:
    """Return a schema that says only types, names and choices."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    plain = {name: _plain(part) for name, part in schema.items() if name not in _KEYWORDS}
    named = schema.get("properties")
    if isinstance(named, Mapping):  # whose names are no keywords
        plain["properties"] = {name: _plain(part) for name, part in named.items()}
    return plain


def _plain_schema(body: Body, words: str) -> Body:
    form = body.get("response_format", {})
    if "json_schema" not in form:
        return body
    answer = form["json_schema"]
    plain = {**answer, "schema": _plain(answer["schema"])}
    return body | {"response_format": {**form, "json_schema": plain}}


def _one_message(body: Body, words: str) -> Body:
    """Return a request whose system message begins the user's."""
    messages = body.get("messages", [])
    if [message["role"] for message in messages] != ["system", "user"]:
        return body
    whole = "\n\n".join(message["content"] for message in messages)
    return body | {"messages": [{"role": "user", "content": whole}]}


REFUSALS = (
    Refusal(
        "top_p",
        r"temperature.*top_p.*(both|not|only one|together)|(both|only one|together).*"
        r"temperature.*top_p|top_p.*temperature.*(both|together)|\btop_p\b(?!.*temperature)",
        _without("top_p"),
        "top_p is left to the server",
    ),
    Refusal(
        "max_tokens",
        r"max_completion_tokens|\bmax_tokens\b.*(not supported|unsupported|unknown|deprecated)",
        _renamed,
        "the length of answers is said as max_completion_tokens",
    ),
    Refusal(
        "n",
        r"['\"`]n['\"`]|\bn\b\s*(>|=|!=|<|must|has to|should|cannot|can only|is not|is greater|"
        r"above|larger|greater|value|not)|parameter:? n\b|only (one|1|a single) (completion|choice|"
        r"sample|response)|multiple (choices|completions|samples|responses)|best_of|"
        r"num(ber)?_?( of )?(choices|completions|samples)|candidate_?count",
        _without("n"),
        "each text is asked for in a request of its own, at the prompt's full cost",
    ),
    Refusal(
        "top_logprobs",
        r"top_?logprobs|logprobs?.*(at most|maximum|less than|<=|between|exceed|range|up to|\d)",
        _fewer_logprobs,
        "fewer of the likely first tokens are asked for: more of the probability leaks",
    ),
    Refusal(
        "schema keywords",
        rf"['\"`]({'|'.join(_KEYWORDS)})['\"`]|(schema|properties|keyword|response_format).*"
        rf"\b({'|'.join(_KEYWORDS[:-1])})\b|\b({'|'.join(_KEYWORDS[:-1])})\b.*(schema|keyword)",
        _plain_schema,
        "schemas say types and names only: numbers and lengths are not held to their limits",
    ),
    Refusal(
        "schema",
        r"response_?format|json_?schema|structured|grammar|guided",
        _without("response_format"),
        "answers come under no schema: only the prompt says what they look like",
    ),
    Refusal(
        "temperature",
        r"\btemperature\b",
        _without("temperature"),
        "texts are drawn at the server's own temperature, which is taken to be 1",
    ),
    Refusal("seed", r"\bseed\b", _without("seed"), "no seed is sent: texts differ from run to run"),
    Refusal(
        "sampling",
        r"\b(top_k|min_p|repetition_penalty)\b",
        _without("top_k", "min_p", "repetition_penalty"),
        "top_k, min_p and repetition_penalty are left to the server",
    ),
    Refusal(
        "system message",
        r"(system|developer) (role|message|instruction|prompt)|role.*\bsystem\b",
        _one_message,
        "the shared text is the beginning of the user's message",
    ),
)
"""What servers refuse, in the order in which a refusal's words are looked up."""
