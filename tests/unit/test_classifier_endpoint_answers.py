"""Answers that cannot be read, through the real client: each is a failure of the endpoint."""

import os
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
import trustme
import urllib3.exceptions
from botocore.config import Config
from prometheus_client import CollectorRegistry

from classifier.endpoint import ModelEndpoint
from classifier.endpoint_errors import EndpointFailed, EndpointTooSlow, of_transport
from classifier.metrics import Metrics
from tests.support.classifier_parts import labels_of

LABELS = labels_of().everything
GOOD = b'[{"labels": ["quake"], "scores": [0.25]}]'
#: Sends an answer, from its status line on; then the connection is closed.
Answer = Callable[[BaseHTTPRequestHandler], object]


def whole(status: int, body: bytes, length: int | None = None) -> Answer:
    """An answer of a length that may be wrong."""
    head = f"HTTP/1.1 {status} Reason\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n"
    return lambda handler: handler.wfile.write(head.encode() + body)


def chunked(*pieces: bytes) -> Answer:
    """What is sent after the head of a chunked answer, piece by piece."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in pieces:
            handler.wfile.write(piece)

    return answer


def damaged(handler: BaseHTTPRequestHandler) -> None:
    """An answer that goes on with a TLS record that was damaged on its way."""
    whole(200, GOOD, 1000)(handler)
    os.write(handler.connection.fileno(), b"\x17\x03\x03\x00\x20" + b"z" * 32)


@contextmanager
def endpoint_that(answer: Answer, tls: ssl.SSLContext | None = None, ca: Path | None = None) -> Iterator[ModelEndpoint]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server names it
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # a client that gave up
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    client: Any = boto3.client(
        "sagemaker-runtime",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        endpoint_url=f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}",
        verify=str(ca) if ca else None,
        config=Config(retries={"total_max_attempts": 1}, read_timeout=10),
    )
    try:
        yield ModelEndpoint(client, "minilm", "minilm", Metrics(CollectorRegistry()).of_endpoint("minilm"))
    finally:
        server.shutdown()
        server.server_close()


CHUNKS = [b"1\r\n%c\r\n" % byte for byte in GOOD]


@pytest.mark.parametrize("answer", [whole(200, GOOD), chunked(*CHUNKS, b"0\r\n\r\n")], ids=["whole", "chunked"])
def test_an_answer_is_read_however_it_is_sent(answer: Answer) -> None:
    with endpoint_that(answer) as endpoint:
        assert endpoint.classify(["a"], LABELS) == [[0.25]]


NESTED = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(whole(200, GOOD.replace(b"quake", b"\xff")), "zero-shot shape", id="a label that is no UTF-8"),
        pytest.param(whole(200, b'[{"more": ' + NESTED + b"}]"), "zero-shot shape", id="nested where nobody looks"),
        pytest.param(whole(500, b"[" * 100_000), "the SDK cannot read", id="an error nested without end"),
        pytest.param(whole(200, GOOD, 1000), None, id="cut within the answer"),
        pytest.param(chunked(*CHUNKS), None, id="cut between two chunks"),
        pytest.param(chunked(*CHUNKS, b"no length\r\n"), None, id="a chunk without a length"),
    ],
)
def test_an_answer_that_cannot_be_read_is_a_failure(answer: Answer, reason: str | None) -> None:
    with endpoint_that(answer) as endpoint, pytest.raises(EndpointFailed, match=reason):
        endpoint.classify(["a"], LABELS)


def test_an_answer_that_tls_finds_damaged_is_a_failure(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with endpoint_that(damaged, tls, tmp_path / "ca.pem") as endpoint, pytest.raises(EndpointFailed):
        endpoint.classify(["a"], LABELS)


def test_one_that_stalls_within_the_answer_is_too_slow() -> None:
    stalled = urllib3.exceptions.ReadTimeoutError(None, None, "Read timed out.")  # type: ignore[arg-type]
    assert type(of_transport(stalled)) is EndpointTooSlow
