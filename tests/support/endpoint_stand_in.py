"""A model endpoint that behaves as a test tells it to, in SageMaker's protocol (InvokeEndpoint), with books of its own.

It answers the zero-shot request: each text gets 0.9 for the first label and 0.1 for the others.
"""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self


class Call(NamedTuple):
    """A call as it came; ``under_way`` counts it too."""

    texts: tuple[str, ...]
    under_way: int


class Failure(NamedTuple):
    """An error answer. ``kind`` is the error's name in SageMaker's API."""

    status: int
    kind: str
    details: dict[str, Any]


def model_error(status: int) -> Failure:
    """What SageMaker makes of an answer of the container that is not 200."""
    return Failure(424, "ModelError", {"Message": f"the model answered {status}", "OriginalStatusCode": status})


#: SageMaker's own word for too many calls.
THROTTLED = Failure(429, "ThrottlingException", {"Message": "Rate exceeded"})


class Cut:
    """The connection is reset instead of an answer."""


#: What becomes of a call: scores for None.
Behaviour = Callable[[Call], Failure | Cut | None]


class EndpointStandIn:
    """Listens on 127.0.0.1 while its context is open. Each call takes ``seconds``; ``behave`` may change meanwhile."""

    def __init__(self, behave: Behaviour = lambda _call: None, seconds: float = 0.01) -> None:
        self.behave = behave
        self.seconds = seconds
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._under_way = 0
        handler = type("Handler", (_Handler,), {"stand_in": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def calls(self) -> list[Call]:
        """All calls so far, in order."""
        with self._lock:
            return list(self._calls)

    def serve(self, texts: Sequence[str]) -> Failure | Cut | None:
        """For the handler: one call from its beginning to its outcome."""
        with self._lock:
            self._under_way += 1
            call = Call(tuple(texts), self._under_way)
            self._calls.append(call)
        try:
            time.sleep(self.seconds)
            return self.behave(call)
        finally:
            with self._lock:
                self._under_way -= 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stand_in: EndpointStandIn

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        outcome = self.stand_in.serve(request["inputs"])
        if isinstance(outcome, Cut):
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif outcome:
            self._answer(outcome.status, outcome.details, {"x-amzn-ErrorType": outcome.kind})
        else:
            first, *others = request["parameters"]["candidate_labels"]
            scores = {"labels": [first, *others], "scores": [0.9, *[0.1 for _ in others]]}
            self._answer(200, [{"sequence": text, **scores} for text in request["inputs"]], {})

    def _answer(self, status: int, content: Any, headers: dict[str, str]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server names it
        """The calls are in the books."""
