"""The address of a server, and the key that may be sent there."""

import ipaddress
import os
import re
from typing import NamedTuple

import httpx2

from llm_policy.engines.base import EngineError
from llm_policy.engines.models import PROVIDERS
from llm_policy.engines.openai.words import clean

_HOW = "write http://HOST:PORT/v1"


class Address(NamedTuple):
    """Where a server is.

    `url` can be shown: it holds neither the `login`, a name and a password, nor the `query`, which
    goes with every request.
    """

    url: str
    host: str
    port: int | None
    secure: bool
    login: tuple[str, str] | None = None
    query: tuple[tuple[str, str], ...] = ()

    @property
    def is_here(self) -> bool:
        """Whether the server is on this machine."""
        name = self.host.strip("[]").lower().rstrip(".")
        try:
            return ipaddress.ip_address(name.partition("%")[0]).is_loopback
        except ValueError:
            return name == "localhost" or name.endswith(".localhost")

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown."""
        return (*(self.login or ()), *(value for _, value in self.query))


def parse_address(text: str) -> Address:
    """Return the address that a text names.

    Raises:
        EngineError: it names none; in one line, without what may be a password or a key.
    """
    shown = _shown(text)
    try:
        url = httpx2.URL(text.strip())
    except (httpx2.InvalidURL, ValueError):
        raise EngineError(f"{shown!r} is no address of a server: {_HOW}.") from None
    if url.scheme not in ("http", "https"):
        raise EngineError(f"{shown!r} is no address of a server: {_HOW}.")
    labels = url.raw_host.decode("ascii", "replace").rstrip(".").split(".")
    if re.search(r"[\s%]", url.host) or not all(0 < len(label) < 64 for label in labels):
        raise EngineError(f"{shown!r} names no host: {_HOW}.")
    if "@" in url.path:
        raise EngineError(
            f"{shown!r} has an @ in its path: if it ends a name and a password, write / in them as "
            "%2F, ? as %3F and # as %23."
        )
    if url.port is not None and not 0 < url.port < 2**16:
        raise EngineError(f"{shown!r} has no port of 1 to 65535: {_HOW}.")
    bare = url.copy_with(username=None, password=None, query=None, fragment=None)
    return Address(
        url=str(bare).rstrip("/"),
        host=url.host,
        port=url.port,
        secure=url.scheme == "https",
        login=(url.username, url.password) if url.userinfo else None,
        query=tuple(url.params.multi_items()),
    )


def key_variable_of(address: Address, named: str | None) -> str | None:
    """Return the environment variable whose key an address gets: `named`, or its provider's.

    Raises:
        EngineError: a provider's key is named for an address that is not that provider's.
    """
    places = {one.key_variable: _place(one.url) for one in PROVIDERS.values()}
    here = (address.host, address.port)
    if named is None:
        return next((name for name, place in places.items() if place == here), None)
    if places.get(named, here) != here:
        raise EngineError(
            f"{named} holds the key of {places[named][0]}, and is not sent to {address.url}: put "
            "that server's key into another variable and name it with --key-variable."
        )
    return named


def key_of(address: Address, variable: str | None, given: str | None = None) -> str:
    """Return the key that goes to an address: the one `given`, or the variable's; "" for none.

    Raises:
        EngineError: it is no key, or it would cross a network in the open.
    """
    found = given or (os.environ.get(variable, "") if variable else "")
    key, name = found.strip(), "The key that was given" if given else f"The key in {variable}"
    if not all("!" <= character <= "~" for character in key):
        raise EngineError(
            f"{name} holds a space, a line break or another character that no key has: set it "
            "again, to the key alone."
        )
    if key and address.login:
        raise EngineError(
            f"{address.url} would get a name and a password as well as a key: leave one of them "
            "out."
        )
    if (key or address.login) and not (address.secure or address.is_here):
        what = "key" if key else "password"
        raise EngineError(
            f"{address.url} is not on this machine and would get its {what} over plain http, for "
            f"all to read: write https://, reach it through a tunnel, or send it no {what}."
        )
    return key


def _shown(text: str) -> str:
    """Return what of a text that may be an address holds no password: host, number and path."""
    bare = re.sub(r"^([a-z]*:/*)?.*@", r"\1", re.split("[?#]", text)[0], flags=re.I | re.S)
    return clean(re.sub(r"(://[^/:\[]*):(?!\d+(?:/|$))[^/]*", r"\1:…", bare))


def _place(url: str) -> tuple[str, int | None]:
    parsed = httpx2.URL(url)
    return parsed.host, parsed.port
