"""A model endpoint, in SageMaker's protocol (InvokeEndpoint), that finds the labels whose words stand in the text.

It writes what it has judged into a ledger, in the words of demo.recorder. What it refuses, it refuses as a container
does that cannot stand one of the texts: the call as a whole, as a ModelError with the container's 400.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from demo.recorder import Ledger


class KeywordModel:
    """Listens on 127.0.0.1 while its context is open.

    ``seconds`` is what an answer takes, ``refuses`` says which texts it does not judge; both may change at any time.
    """

    def __init__(self, ledger: Ledger, seconds: float) -> None:
        self.seconds = seconds
        self.refuses: Callable[[str], bool] = lambda _text: False
        self._ledger = ledger
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._under_way = 0
        self._refusals: Counter[str] = Counter()
        handler = type("Handler", (_Handler,), {"model": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="model", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def under_way(self) -> int:
        """Calls that wait for their answer."""
        with self._lock:
            return self._under_way

    @property
    def refusals(self) -> Counter[str]:
        """By text, how many times it was refused when it was asked about alone."""
        with self._lock:
            return self._refusals.copy()

    def answer(self, texts: Sequence[str], labels: Sequence[str]) -> tuple[int, dict[str, str], Any] | None:
        """For the handler: status, headers and content, after their time; None when the end has come first."""
        with self._lock:
            self._under_way += 1
        try:
            if self._over.wait(self.seconds):
                return None
        finally:
            with self._lock:
                self._under_way -= 1
        if any(map(self.refuses, texts)):
            with self._lock:
                self._refusals.update(texts if len(texts) == 1 else ())
            error = {"Message": "the model answered 400", "OriginalStatusCode": 400}
            return 424, {"x-amzn-ErrorType": "ModelError"}, error
        return 200, {}, [self._judged(text, labels) for text in texts]

    def _judged(self, text: str, labels: Sequence[str]) -> dict[str, Any]:
        scores = {label: 0.9 if label in text else 0.1 for label in labels}
        self._ledger.write("judged", text=text, scores=scores)
        ranked = sorted(labels, key=scores.__getitem__, reverse=True)
        return {"sequence": text, "labels": ranked, "scores": [scores[label] for label in ranked]}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model: KeywordModel

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = self.model.answer(request["inputs"], request["parameters"]["candidate_labels"])
        if answer is None:
            self.close_connection = True
            return
        status, headers, content = answer
        body = json.dumps(content).encode()
        try:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True  # killed while it waited

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server names it
        """It writes a ledger, not a log."""
