"""Requests to one server: bounded in size and time, sent again where that may help."""

import asyncio
import email.utils
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx2
import msgspec

from llm_policy.engines.base import EngineError
from llm_policy.engines.openai.addresses import Address
from llm_policy.engines.openai.failures import (
    NO_PROTOCOL,
    SLOW,
    TOO_LARGE,
    Failed,
    is_spent,
    meaning,
    proxied,
    told,
    unreachable,
)
from llm_policy.engines.openai.loop import Fetched
from llm_policy.engines.openai.replies import ReportedFailure, Unreadable
from llm_policy.engines.openai.words import clean, said

MOST_REPLY_BYTES = 2**24
"""The largest reply that is read."""

_LONGEST_PAUSE, _LONGEST_ASKED = 8.0, 60.0
_AGAIN = frozenset({408, 409, 429})


class Client:
    """Sends requests to a server, each at most `retries` times more, and reads the replies.

    A request that meets a broken connection, a full server (408, 409, 429), a failure (5xx) or an
    unreadable reply is sent again, after the pause that the server asks for, if that is at most a
    minute, or up to 8 seconds; not where the server says that the quota is spent. One attempt, from
    the connection to the last byte of the reply, takes at most `timeout` seconds, a request at most
    `retries + 1` of them and the pauses; a reply has at most `MOST_REPLY_BYTES`. The environment's
    proxies count, but not for this machine.

    Raises:
        EngineError: the environment names a proxy that cannot be used.
    """

    def __init__(
        self,
        address: Address,
        key: str,
        *,
        key_variable: str | None,
        timeout: float,
        concurrency: int,
    ) -> None:
        self.retries = 1
        self._address, self._timeout = address, timeout
        self._key_variable = key_variable
        self._secrets = tuple(secret for secret in (key, *address.secrets) if secret)
        try:
            self._http = httpx2.AsyncClient(
                headers={"Authorization": f"Bearer {key}"} if key else {},
                auth=address.login,
                params=address.query,
                timeout=httpx2.Timeout(timeout, connect=min(10.0, timeout), pool=None),
                limits=httpx2.Limits(
                    max_connections=concurrency, max_keepalive_connections=concurrency
                ),
                trust_env=not address.is_here,
            )
        except (ImportError, ValueError, httpx2.InvalidURL) as error:
            raise EngineError(proxied(error, address.host)) from None

    async def ask(
        self, path: str, body: Mapping[str, Any] | None, read: Callable[[bytes], Fetched]
    ) -> Fetched:
        """Return what `read` finds in the reply to a request: a GET without a body, else a POST.

        `path` follows the server's address, or is a whole URL.

        Raises:
            EngineError: in one line, without secrets; `Failed` with the server's words.
        """
        url = path if "://" in path else f"{self._address.url}{path}"
        content = None if body is None else msgspec.json.encode(body)
        attempt = 0
        while True:
            try:
                return await self._once(url, content, read)
            except Failed as failed:
                attempt += 1
                if attempt > self.retries or not failed.again:
                    raise
                usual = min(_LONGEST_PAUSE, 0.25 * 2**attempt)
                pause = usual if failed.pause is None else failed.pause
            await asyncio.sleep(pause)

    def cleaned(self, text: str) -> str:
        """Return a text from outside on one line, short and without this client's secrets."""
        return clean(text, self._secrets)

    def concealed(self, text: str) -> str:
        """Return a text from outside as it is, but for whole secrets."""
        for secret in self._secrets:
            text = text.replace(secret, "***") if len(secret) >= 8 else text
        return text

    async def close(self) -> None:
        """Close the connections. No call may follow."""
        await self._http.aclose()

    async def _once(
        self, url: str, content: bytes | None, read: Callable[[bytes], Fetched]
    ) -> Fetched:
        """Return what `read` finds in the reply to a request that is sent once.

        Raises:
            Failed: there is none.
        """
        pause = None
        try:
            async with asyncio.timeout(self._timeout):
                response, reply = await self._send(url, content)
            pause = _asked_pause(response.headers)
            if response.status_code >= 300:
                words = said(reply) or response.headers.get("location", "")
                raise ReportedFailure(response.status_code, words)
            return read(reply)
        except ReportedFailure as error:
            raise self._reported(error, pause) from None
        except (TimeoutError, httpx2.TimeoutException):
            reason, again = SLOW.format(seconds=self._timeout), True
        except _TooLargeError:
            reason, again = TOO_LARGE.format(most=MOST_REPLY_BYTES), False
        except httpx2.HTTPError as error:
            reason, again = self.cleaned(unreachable(error)), True
        except Unreadable as error:
            reason, again = NO_PROTOCOL.format(reason=self.cleaned(str(error))), True
        raise Failed(f"{self._address.url} {reason}", again=again, pause=pause)

    async def _send(self, url: str, content: bytes | None) -> tuple[httpx2.Response, bytes]:
        """Send a request once; return the reply and its body, if that is not too large."""
        verb = "GET" if content is None else "POST"
        headers = {} if content is None else {"Content-Type": "application/json"}
        request = self._http.build_request(verb, url, content=content, headers=headers)
        response = await self._http.send(request, stream=True)
        try:
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > MOST_REPLY_BYTES:
                    raise _TooLargeError
            return response, bytes(body)
        finally:
            await response.aclose()

    def _reported(self, failure: ReportedFailure, pause: float | None) -> Failed:
        status, words = failure.status, self.cleaned(failure.words)
        meant = meaning(status, words, key_variable=self._key_variable)
        may_help = status in _AGAIN or status >= 500 or not status
        return Failed(
            f"{self._address.url} {told(status, words, meant)}",
            status=status,
            words=words,
            again=may_help and not is_spent(words),
            pause=pause,
        )


class _TooLargeError(Exception):
    """A reply of more than `MOST_REPLY_BYTES`."""


def _asked_pause(headers: httpx2.Headers) -> float | None:
    """Return the seconds that a server asks to wait, if it does and that is a minute at most."""
    after = headers.get("retry-after", "").strip()
    try:
        if "retry-after-ms" in headers:
            asked = float(headers["retry-after-ms"]) / 1000
        elif after.replace(".", "", 1).isdecimal():
            asked = float(after)
        else:
            asked = email.utils.parsedate_to_datetime(after).timestamp() - time.time()
    except (ValueError, OverflowError):
        return None
    return asked if 0 <= asked <= _LONGEST_ASKED else None
