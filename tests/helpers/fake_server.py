"""A server with OpenAI's protocol that does as it is told: answers, refuses, misbehaves."""

import contextlib
import json
import math
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODELS = {"data": [{"id": "small"}, {"id": "large"}]}

Chat = Callable[[dict[str, Any], Any], tuple[int, Any]]
"""From the body and the headers of a question to a status and a content: JSON, bytes, a text, or a
function that is given the handler and answers in its own way."""


def reply(text: Any = "{}", samples: int = 1, logprobs: Any = None) -> dict[str, Any]:
    """Return a healthy answer."""
    choice = {"message": {"content": text}, "logprobs": logprobs}
    return {"choices": [choice] * samples, "usage": {"prompt_tokens": 7, "completion_tokens": 3}}


def scores(**shares: float) -> dict[str, Any]:
    """Return the scores of first tokens with these probabilities, the first of which was said."""
    entries = [{"token": token, "logprob": math.log(share)} for token, share in shares.items()]
    return {"content": [{**entries[0], "top_logprobs": entries}]}


@contextlib.contextmanager
def fake_server(chat: Any, models: Any = MODELS) -> Iterator[str]:
    """Serve `models`, or (status, content), and `chat`, on the loopback address; yield the URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.answer(*(models if isinstance(models, tuple) else (200, models)))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self.answer(*chat(body, self.headers))

        def answer(self, status: int, content: Any) -> None:
            if callable(content):
                with contextlib.suppress(OSError):
                    content(self)
                self.close_connection = True
                return
            data = content if isinstance(content, bytes | str) else json.dumps(content)
            data = data.encode() if isinstance(data, str) else data
            with contextlib.suppress(OSError):  # nobody waits for it any more
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Retry-After-Ms", "1")
                self.end_headers()
                self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


def _schema(body: dict[str, Any]) -> str:
    return json.dumps(body.get("response_format", {}))


REFUSALS: dict[str, tuple[Callable[[dict[str, Any]], bool], tuple[int, str]]] = {
    "n": (
        lambda body: body.get("n", 1) > 1,
        (400, "n must be 1 when using greedy sampling, got 2."),
    ),
    "top_p": (
        lambda body: {"temperature", "top_p"} <= set(body),
        (400, "`temperature` and `top_p` cannot both be specified for this model."),
    ),
    "max_tokens": (
        lambda body: "max_tokens" in body,
        (
            400,
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
        ),
    ),
    "temperature": (
        lambda body: body.get("temperature", 1.0) != 1.0,
        (400, "Unsupported value: 'temperature' does not support 0.7. Only the default is."),
    ),
    "top_logprobs": (
        lambda body: body.get("top_logprobs", 0) > 5,
        (400, "Invalid value for 'top_logprobs': must be less than or equal to 5."),
    ),
    "schema keywords": (
        lambda body: (
            re.search(r'"(minimum|maximum|minItems|maxItems)": \d', _schema(body)) is not None
        ),
        (400, "Invalid schema for response_format: 'minimum' is not permitted."),
    ),
    "schema": (
        lambda body: "response_format" in body,
        (400, "This response_format type is unavailable now"),
    ),
    "seed": (lambda body: "seed" in body, (422, "Unrecognized request argument: seed")),
    "system message": (
        lambda body: body["messages"][0]["role"] == "system",
        (400, "System role not supported"),
    ),
    "scores": (
        lambda body: "logprobs" in body,
        (403, "You are not allowed to request logprobs from this model."),
    ),
}
"""What servers refuse: in which requests, and in which words."""


class Strict:
    """Refuses whatever of `REFUSALS` it is told to, and lets `answer` speak to everything else.

    `seen` holds the bodies of all questions, `refused` how often each kind was refused.
    """

    def __init__(self, *kinds: str, answer: Chat) -> None:
        self.seen: list[dict[str, Any]] = []
        self.refused: dict[str, int] = dict.fromkeys(kinds, 0)
        self._answer = answer

    def __call__(self, body: dict[str, Any], headers: Any) -> tuple[int, Any]:
        self.seen.append(body)
        for kind in self.refused:
            applies, (status, words) = REFUSALS[kind]
            if applies(body):
                self.refused[kind] += 1
                return status, {"error": {"message": words}}
        return self._answer(body, headers)
