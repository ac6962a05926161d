"""A model endpoint that behaves as a test tells it to, in SageMaker's protocol (InvokeEndpoint), with books of its own.

It answers the zero-shot request, by default with 0.9 for the first label of each text and 0.1 for the others. Several
endpoints may share one stand-in: each call says by which name it was made. ``endpoint_answers`` has answers that make
no sense.
"""

import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.support.service_process import free_port

_ATTRIBUTES_HEADER = "X-Amzn-SageMaker-Custom-Attributes"


class Call(NamedTuple):
    """A call as it came; ``under_way`` counts it too, ``endpoint`` is the name that it was made by."""

    texts: tuple[str, ...]
    under_way: int
    endpoint: str
    parameters: Mapping[str, Any]


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


class Silence:
    """No answer, until the client gives up or the context ends."""


class Crash(NamedTuple):
    """The server is gone at once: all connections are reset, and refused for so many seconds."""

    seconds: float


class Altered(NamedTuple):
    """An answer of 200 with what ``change`` makes of the list of the right answers."""

    change: Callable[[list[dict[str, Any]]], bytes]


#: What becomes of a call: scores for None.
Outcome = Failure | Cut | Silence | Crash | Altered | None
Behaviour = Callable[[Call], Outcome]


class EndpointStandIn:
    """Listens on 127.0.0.1 while its context is open. Each call takes ``seconds``.

    ``score`` gives that of a text for a label. ``behave``, ``seconds``, ``score`` and ``custom_attributes``, the header
    of that name in each answer, may change meanwhile; ``cuts_before_request`` resets each connection that a call comes
    by, unread.
    """

    def __init__(self, behave: Behaviour = lambda _call: None, seconds: float = 0.01) -> None:
        self.behave = behave
        self.seconds = seconds
        self.score: Callable[[str, str], float] | None = None
        self.custom_attributes = ""
        self.cuts_before_request = False
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._judged: Counter[str] = Counter()
        self._under_way = 0
        self._over = threading.Event()
        self._going = threading.Lock()
        self._server = _Server(free_port(), self)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        with self._going:
            self._server.stop()

    @property
    def calls(self) -> list[Call]:
        """All calls so far, in order."""
        with self._lock:
            return list(self._calls)

    @property
    def judged(self) -> Counter[str]:
        """How often each text was answered with scores, as far as the server knows."""
        with self._lock:
            return self._judged.copy()

    @contextmanager
    def gone(self) -> Iterator[None]:
        """All connections are reset, and new ones refused, within this context; the port stays the same."""
        with self._going:
            self._server.stop()
            try:
                yield
            finally:
                self._server = _Server(self._server.server_address[1], self)
                self._server.start()

    def serve(self, endpoint: str, texts: Sequence[str], parameters: Mapping[str, Any]) -> Outcome:
        """For the handler: one call from its beginning to its outcome."""
        with self._lock:
            self._under_way += 1
            call = Call(tuple(texts), self._under_way, endpoint, parameters)
            self._calls.append(call)
        try:
            return self._outcome(call)
        finally:
            with self._lock:
                self._under_way -= 1

    def answers(self, texts: Sequence[str], labels: Sequence[str]) -> list[dict[str, Any]]:
        """For the handler: the right ones, best label first."""
        return [_answer(text, labels, self.score or (lambda _text, label: _plain(label, labels))) for text in texts]

    def has_judged(self, texts: Sequence[str]) -> None:
        """For the handler: an entry in the books."""
        with self._lock:
            self._judged.update(texts)

    def _outcome(self, call: Call) -> Outcome:
        outcome = self.behave(call)
        if isinstance(outcome, Silence):
            self._over.wait()
            return Cut()
        if isinstance(outcome, Crash):
            # several calls that crash it at once are one crash
            if self._going.acquire(blocking=False):
                self._server.stop()
                threading.Thread(target=self._come_back, args=(outcome.seconds,), daemon=True).start()
            return Cut()
        time.sleep(self.seconds)
        return outcome

    def _come_back(self, seconds: float) -> None:
        self._over.wait(seconds)
        self._server = _Server(self._server.server_address[1], self)
        self._server.start()
        self._going.release()


def poisoned(poison: Mapping[str, Outcome]) -> Behaviour:
    """A call with a text that has one of these words in it meets the word's outcome; the first counts."""

    def behave(call: Call) -> Outcome:
        return next((poison[word] for text in call.texts for word in poison if word in text), None)

    return behave


def _plain(label: str, labels: Sequence[str]) -> float:
    return 0.9 if label == labels[0] else 0.1


def _answer(text: str, labels: Sequence[str], score: Callable[[str, str], float]) -> dict[str, Any]:
    scores = {label: score(text, label) for label in labels}
    ranked = sorted(labels, key=lambda label: -scores[label])
    return {"sequence": text, "labels": ranked, "scores": [scores[label] for label in ranked]}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, stand_in: EndpointStandIn) -> None:
        self.stand_in = stand_in
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="endpoint", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """No new connections, and an end to those that are."""
        self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # its client was quicker

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or was killed, is no error; what else goes wrong breaks its connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        stand_in = self.server.stand_in
        if stand_in.cuts_before_request:
            self._cut()
            return
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        endpoint = self.path.removeprefix("/endpoints/").removesuffix("/invocations")
        texts, parameters = request["inputs"], request["parameters"]
        outcome = stand_in.serve(endpoint, texts, parameters)
        if isinstance(outcome, Failure):
            self._answer(outcome.status, json.dumps(outcome.details).encode(), {"x-amzn-ErrorType": outcome.kind})
        elif outcome is None or isinstance(outcome, Altered):
            answers = stand_in.answers(texts, parameters["candidate_labels"])
            attributes = {_ATTRIBUTES_HEADER: stand_in.custom_attributes} if stand_in.custom_attributes else {}
            self._answer(200, outcome.change(answers) if outcome else json.dumps(answers).encode(), attributes)
            if outcome is None:
                stand_in.has_judged(texts)
        else:
            self._cut()

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        # with the head in one piece: two pieces would wait for each other's acknowledgement
        self._headers_buffer.append(b"\r\n" + body)  # type: ignore[attr-defined]
        self.flush_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server names it
        """The calls are in the books."""
