"""An independent witness: it stands before the model endpoint and behind the topic, and writes down what passes.

    python -m demo.recorder PORT MODEL_URL LEDGER

Calls of the endpoint are handed on and, once answered, recorded text by text; notifications of the topic (SNS over
HTTP) are recorded as they arrive. The accounts are made from this ledger and the simulator's, never from what the
services say of themselves.
"""

import json
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

_FORWARD_TIMEOUT = 60.0


class Ledger:
    """JSON lines, flushed one by one."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._lock = threading.Lock()

    def write(self, event: str, **values: Any) -> None:
        """Adds one event, with the time."""
        line = json.dumps({"event": event, "at": time.time(), **values})
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()

    def close(self) -> None:
        """Writes no more."""
        with self._lock:
            self._file.close()


class Recorder(ThreadingHTTPServer):
    """Serves the endpoint's paths and /sns."""

    daemon_threads = True

    def __init__(self, port: int, model_url: str, ledger: Ledger) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.model_url = model_url
        self.ledger = ledger
        self.session = requests.Session()
        self.session.trust_env = False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Recorder

    def do_GET(self) -> None:
        self._answer(200, b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/sns":
            self._notification(json.loads(body))
        else:
            self._invocation(body)

    def _notification(self, envelope: dict[str, Any]) -> None:
        if envelope["Type"] == "SubscriptionConfirmation":
            self.server.session.get(envelope["SubscribeURL"], timeout=_FORWARD_TIMEOUT)
        else:
            attributes = {name: value["Value"] for name, value in envelope.get("MessageAttributes", {}).items()}
            self.server.ledger.write("notified", **attributes, subject=envelope.get("Subject"))
        self._answer(200, b"")

    def _invocation(self, body: bytes) -> None:
        headers = {"Content-Type": self.headers.get("Content-Type", "application/json")}
        url = self.server.model_url + self.path
        response = self.server.session.post(url, data=body, headers=headers, timeout=_FORWARD_TIMEOUT)
        if response.ok:
            for text, answer in zip(json.loads(body)["inputs"], response.json(), strict=True):
                scores = dict(zip(answer["labels"], answer["scores"], strict=True))
                self.server.ledger.write("judged", text=text, scores=scores)
        self._answer(response.status_code, response.content, response.headers.get("Content-Type", ""))

    def _answer(self, status: int, body: bytes, content_type: str = "text/plain") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class uses
        """It writes a ledger, not a log."""


def main() -> None:
    """Runs until SIGTERM."""
    port, model_url, ledger = sys.argv[1:]
    recorder = Recorder(int(port), model_url, Ledger(Path(ledger)))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=recorder.shutdown).start())
    recorder.serve_forever()


if __name__ == "__main__":
    main()
