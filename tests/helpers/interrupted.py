"""A server that answers the first few questions, and holds all others until it is closed."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Holding:
    """What a server that holds answers has been asked so far."""

    def __init__(self, answers: int) -> None:
        self.url = ""
        self.answers = answers
        self.asked = 0
        self.lock = threading.Lock()
        self.waiting = threading.Event()
        self.over = threading.Event()

    def take(self) -> bool:
        """Count a question, and return whether it is answered."""
        with self.lock:
            self.asked += 1
            if self.asked > self.answers:
                self.waiting.set()
            return self.asked <= self.answers


@contextlib.contextmanager
def holding_server(answers: int, text: str) -> Iterator[Holding]:
    """Serve a model named small that answers so many questions with a text, and then none."""
    state = Holding(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path.endswith("/models")
            self._reply(200 if known else 404, {"data": [{"id": "small"}]} if known else {})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if not state.take():
                state.over.wait(timeout=120)
                return
            usage = {"prompt_tokens": 7, "completion_tokens": 5}
            self._reply(200, {"choices": [{"message": {"content": text}}], "usage": usage})

        def _reply(self, status: int, content: dict) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_port}/v1"
        try:
            yield state
        finally:
            state.over.set()
            server.shutdown()
            thread.join()
