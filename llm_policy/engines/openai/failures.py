"""What a failed request means, in a server's own words, and what to do about it."""

import re

import httpx2

from llm_policy.engines.base import EngineError


class Failed(EngineError):
    """A request that a server did not answer.

    `status` and `words` are the server's, 0 and "" if it said nothing. `again` tells whether the
    same request may be answered later, after the `pause` in seconds that the server asks for, if it
    does.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        words: str = "",
        again: bool = True,
        pause: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.words = words
        self.again = again
        self.pause = pause


_QUOTA = (
    r"quota|billing|credit|balance|payment|spend(ing)? limit|insufficient.?funds|usage limit|"
    r"out of (tokens|money)"
)

_SCORES = r"logprobs?|log probabilit"

_BY_WORDS = (
    (
        _SCORES,
        "gives no scores: use --mode text (from Python, complete()), or another model or server.",
    ),
    (
        "response_?format|json_?schema|structured|grammar",
        "cannot answer under a JSON schema: use choice mode, or another model or server.",
    ),
    (
        "(system|developer) (role|message|instruction|prompt)",
        "has a model that takes no system message: use another model, or give its server a chat "
        "template that takes one (vllm serve --chat-template FILE).",
    ),
    (
        "reasoning|thinking",
        "cannot turn this model's thinking off: use a model that can answer at once, or a newer "
        "server.",
    ),
    (
        r"context|too long|max_model_len|maximum.*tokens|too many tokens",
        "has too little room for this prompt: shorten it (--history, --best), or use a model with "
        "a longer context.",
    ),
)
"""By words in a server's refusal: what it means, and what to do about it."""

_OTHERWISE = {
    **dict.fromkeys(range(300, 400), "is elsewhere: give the address that it names."),
    403: "does not allow this: choose a model or a server that the key is good for.",
    404: "was not found: does the URL end in /v1?",
}

SLOW = (
    "did not answer in time: check the URL, raise timeout, or lower concurrency "
    "(it had {seconds:g} seconds for a whole reply)."
)
TOO_LARGE = (
    "sent more than {most:,} bytes, which is no answer: does the URL end in /v1, and is it a "
    "server of models?"
)
NO_PROTOCOL = "does not speak OpenAI's protocol ({reason}): does the URL end in /v1?"


def is_spent(words: str) -> bool:
    """Tell whether a server's words say that nothing more is to be had for this key."""
    return re.search(_QUOTA, words, re.IGNORECASE) is not None


def is_about_scores(words: str) -> bool:
    """Tell whether a server's words say that it gives no log probabilities."""
    return re.search(_SCORES, words, re.IGNORECASE) is not None


def meaning(status: int, words: str, *, key_variable: str | None) -> str:
    """Return what a reply with an error's status means, and what to do: "" if the words say it."""
    key = f"set {key_variable}, or give api_key" if key_variable else "name it with --key-variable"
    if status in (402, 403, 429) and is_spent(words):
        return "has no quota left for this key: add credit at the provider, or wait."
    if status == 429:
        return "is full or the quota is spent: lower concurrency, or wait."
    if 400 <= status < 500:
        found = (what for pattern, what in _BY_WORDS if re.search(pattern, words, re.I))
        if status != 401 and (known := next(found, "")):
            return known
    if status == 401 or (status == 403 and re.search(r"key|token|auth|^$", words, re.I)):
        return f"refuses the API key: {key}."
    return _OTHERWISE.get(
        status, "failed: see its log, or ask again later." if status > 499 else ""
    )


def told(status: int, words: str, meant: str) -> str:
    """Return a failure in one line: the server's words, and then what they mean."""
    answer = f"answered {status}" if status else "reported a failure"
    if meant:
        return f"{answer}, “{words}”: it {meant}" if words else f"{answer}: it {meant}"
    remedy = "use another model or server." if 400 <= status < 500 else "see its log, or ask later."
    return f"failed: “{words}” ({answer}): {remedy}" if words else f"{answer}: it failed: {remedy}"


def unreachable(error: httpx2.HTTPError) -> str:
    """Return why a server cannot be reached, and what to do."""
    reason = str(error) or type(error).__name__
    if isinstance(error, httpx2.ProxyError):
        return (
            f"cannot be reached through the proxy of the environment ({reason}): correct "
            "HTTPS_PROXY, or leave this host out with NO_PROXY."
        )
    if isinstance(error, httpx2.DecodingError):
        return NO_PROTOCOL.format(reason=reason)
    if re.search("certificate|ssl", reason, re.IGNORECASE):
        return (
            f"has no https that can be trusted ({reason}): write http:// if it has none, or name "
            "its certificate in SSL_CERT_FILE."
        )
    return f"does not answer: start the server, or correct the URL (it ends in /v1; {reason})."


def proxied(error: Exception, host: str) -> str:
    """Return why no client can be made with the proxies that the environment names."""
    if isinstance(error, ImportError):
        return (
            f"{host} would be reached through the SOCKS proxy of the environment (ALL_PROXY or "
            "HTTPS_PROXY), which needs one more package: pip install 'httpx2[socks]', or leave "
            f"the host out with NO_PROXY={host}."
        )
    return (
        f"{host} would be reached through a proxy of the environment whose address cannot be read: "
        f"correct HTTP_PROXY, HTTPS_PROXY or ALL_PROXY, or leave the host out with NO_PROXY={host}."
    )
