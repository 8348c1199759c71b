"""A headless browser that opens a page and tells what happened, with no wait without end.

It is driven by the DevTools protocol through a pipe.
"""

import base64
import contextlib
import importlib.util
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
"""What a browser of this family is called."""


def browser_path() -> str | None:
    """Return the browser on the PATH, None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """A tab of a browser: commands of the DevTools protocol, and the events that came meanwhile."""

    def __init__(self, write: int, read: int, deadline: float) -> None:
        self.events: list[dict[str, Any]] = []
        self._write, self._read, self._deadline = write, read, deadline
        self._number, self._rest, self._session = 0, b"", None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result.

        Raises:
            TimeoutError: the deadline has passed.
            RuntimeError: the browser refuses.
        """
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            heard = self._next()
            if heard.get("id") != self._number:
                self.events.append(heard)
                continue
            if "error" in heard:
                raise RuntimeError(f"{method}: {heard['error']}")
            return heard["result"]

    def open(self, page: Path, *, width: int, height: int = 900) -> None:
        """Show a file in a window of so many pixels, and wait until it is loaded."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.events.clear()
        self.call("Page.navigate", url=page.resolve().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def value(self, expression: str) -> Any:
        """Return what a JavaScript expression is worth in the page."""
        found = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def screenshot(self, *, full: bool = False) -> bytes:
        """Return the window as a PNG, or the whole page."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=full)
        return base64.b64decode(found["data"])

    def requests(self) -> list[str]:
        """Return the addresses that were asked for since a page was opened, its own among them."""
        asked = [e for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in asked]

    def complaints(self) -> list[dict[str, Any]]:
        """Return what the browser's console would show since the page was opened."""
        told = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
        return [event for event in self.events if event.get("method") in told]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            left = self._deadline - time.monotonic()
            if left <= 0 or not select.select([self._read], [], [], left)[0]:
                raise TimeoutError("The browser has not answered in time.")
            some = os.read(self._read, 1 << 20)
            if not some:
                raise RuntimeError("The browser has ended.")
            self._rest += some
        first, self._rest = self._rest.split(b"\0", 1)
        return json.loads(first)


@contextlib.contextmanager
def any_browser(*, seconds: float) -> Iterator[Tab]:
    """Open a browser for so long at most; the test is skipped where there is none."""
    program = browser_path()
    if program is None:
        pytest.skip("there is no Chromium on the PATH: apt-get install chromium")
    with opened_browser(program, seconds=seconds) as tab:
        yield tab


def violations(tab: Tab) -> list[str]:
    """Return what an accessibility checker finds in the open page; skipped where there is none.

    It is axe-core, which the package axe-core-python carries: a script that is run in the page.
    """
    found = importlib.util.find_spec("axe_core_python")
    if found is None or found.origin is None:
        pytest.skip("there is no axe: pip install axe-core-python")
    tab.value(Path(found.origin).with_name("axe.min.js").read_text(encoding="utf-8") + "; 0")
    told = "said.violations.map(one => one.id + ': ' + one.nodes[0].html)"
    return tab.value(f"axe.run().then(said => {told})")


@contextlib.contextmanager
def opened_browser(program: str, *, seconds: float = 60) -> Iterator[Tab]:
    """Yield a tab of a browser that is ended, with all its children, on the way out."""
    own_read, write = os.pipe()
    read, own_write = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        command = [
            *(program, "--headless=new", "--no-sandbox", "--disable-gpu"),
            *("--no-first-run", "--disable-extensions", "--disable-background-networking"),
            *("--disable-dev-shm-usage", f"--user-data-dir={home}", "--remote-debugging-pipe"),
        ]
        shell = f'exec "$@" 3<&{own_read} 4>&{own_write}'
        process = subprocess.Popen(
            ["/bin/bash", "-c", shell, "browser", *command],
            pass_fds=(own_read, own_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(own_read)
        os.close(own_write)
        try:
            yield Tab(write, read, time.monotonic() + seconds)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=10)
            os.close(write)
            os.close(read)
