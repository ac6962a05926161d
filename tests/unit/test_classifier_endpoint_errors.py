"""What each error of SageMaker, of a model's container and of the way to them means, through the real client."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from prometheus_client import CollectorRegistry

from classifier.endpoint import ModelEndpoint
from classifier.endpoint_errors import (
    ContentRefused,
    EndpointBusy,
    EndpointFailed,
    EndpointTooSlow,
    EndpointUnavailable,
    of_client_error,
    of_transport,
)
from classifier.metrics import Metrics
from tests.support.classifier_parts import labels_of

URL = "https://runtime.sagemaker.us-east-1.amazonaws.com"


class Answer:
    """What the server answers next: a status, SageMaker's name of the error if it has one, and a body."""

    status = 500
    kind = ""
    body = b"{}"


@pytest.fixture(scope="module")
def answer() -> Answer:
    return Answer()


@pytest.fixture(scope="module")
def client(answer: Answer) -> Iterator[Any]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(answer.status)
            if answer.kind:
                self.send_header("x-amzn-ErrorType", answer.kind)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as http.server names it
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield boto3.client(
        "sagemaker-runtime",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        endpoint_url=f"http://127.0.0.1:{server.server_address[1]}",
        config=Config(retries={"total_max_attempts": 1}),
    )
    server.shutdown()
    server.server_close()


def meaning(client: Any, answer: Answer, status: int, kind: str, body: Any) -> Exception:
    """What an answer means after the client has read it."""
    answer.status, answer.kind = status, kind
    answer.body = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(ClientError) as caught:
        client.invoke_endpoint(EndpointName="minilm", Body=b"{}")
    return of_client_error(caught.value)


SAGEMAKER = [
    (429, "ThrottlingException", "Rate exceeded", EndpointBusy),
    (400, "ThrottlingException", "Rate exceeded", EndpointBusy),
    (503, "ServiceUnavailable", "The service is unavailable", EndpointBusy),
    (503, "ServiceUnavailableException", "The service is unavailable", EndpointBusy),
    (429, "ModelNotReadyException", "the serverless variant is starting", EndpointUnavailable),
    (530, "InternalDependencyException", "a dependency failed", EndpointUnavailable),
    (500, "InternalFailure", "We failed", EndpointUnavailable),
    (500, "InternalServerException", "We failed", EndpointUnavailable),
    (400, "ValidationError", "Endpoint minilm of account 1 not found.", EndpointUnavailable),
    (400, "ValidationError", "Value at 'body' failed to satisfy constraint", ContentRefused),
    (403, "AccessDeniedException", "User is not authorized", EndpointUnavailable),
    (403, "ExpiredTokenException", "The security token is expired", EndpointUnavailable),
    (404, "UnknownOperationException", "", EndpointUnavailable),
]


@pytest.mark.parametrize(("status", "kind", "message", "expected"), SAGEMAKER)
def test_errors_of_sagemaker(
    client: Any, answer: Answer, status: int, kind: str, message: str, expected: type[Exception]
) -> None:
    assert type(meaning(client, answer, status, kind, {"Message": message})) is expected


CONTAINER = [
    (400, ContentRefused),
    (413, ContentRefused),
    (415, ContentRefused),
    (422, ContentRefused),
    (404, EndpointFailed),
    (408, EndpointFailed),
    (429, EndpointBusy),
    (500, EndpointFailed),
    (502, EndpointFailed),
    (503, EndpointBusy),
    (504, EndpointFailed),
]


@pytest.mark.parametrize(("status", "expected"), CONTAINER)
def test_errors_of_the_model_as_sagemaker_hands_them_on(
    client: Any, answer: Answer, status: int, expected: type[Exception]
) -> None:
    body = {"Message": f"Received client error ({status}) from primary", "OriginalStatusCode": status}
    error = meaning(client, answer, 424, "ModelError", body | {"OriginalMessage": "no", "LogStreamArn": "arn"})
    assert type(error) is expected
    assert f"({status})" in str(error)


def test_an_error_of_the_model_without_its_status_is_a_failure(client: Any, answer: Answer) -> None:
    assert type(meaning(client, answer, 424, "ModelError", {"Message": "it has crashed"})) is EndpointFailed


@pytest.mark.parametrize(
    ("status", "expected"), [each for each in CONTAINER if each[0] not in (404, 408)] + [(404, EndpointUnavailable)]
)
def test_the_same_errors_of_a_container_that_is_asked_without_sagemaker(
    client: Any, answer: Answer, status: int, expected: type[Exception]
) -> None:
    error = meaning(client, answer, status, "", {"error": "inputs: expected a text, found 7"})
    assert type(error) is expected
    # the client drops what the container says in words of its own
    assert f"HTTP status {status}" in str(error)


@pytest.mark.parametrize(("status", "body"), [(502, b"<html>Bad gateway</html>"), (504, b""), (500, b"no JSON")])
def test_an_error_that_is_not_even_json_is_a_failure(client: Any, answer: Answer, status: int, body: bytes) -> None:
    assert type(meaning(client, answer, status, "", body)) is EndpointFailed


def test_the_words_of_an_error_are_one_bounded_line(client: Any, answer: Answer) -> None:
    body = {"Message": "Traceback:\n  File\r\n\x1b[31m" + "x" * 5000, "OriginalStatusCode": 400}
    said = str(meaning(client, answer, 424, "ModelError", body))
    assert said.startswith("Traceback: File \ufffd[31mxxx")
    assert len(said) <= 300


@pytest.mark.parametrize("body", [b"\xff", b'"no object"', b"[]"], ids=["no UTF-8", "a text", "a list"])
def test_an_error_that_the_sdk_cannot_read_is_a_failure(client: Any, answer: Answer, body: bytes) -> None:
    answer.status, answer.kind, answer.body = 500, "", body
    labels = labels_of().everything
    endpoint = ModelEndpoint(client, "minilm", "minilm", Metrics(CollectorRegistry()).of_endpoint("minilm"))
    with pytest.raises(EndpointFailed, match="an answer that the SDK cannot read"):
        endpoint.classify(["a"], labels)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(ReadTimeoutError(endpoint_url=URL), EndpointTooSlow, id="read time-out"),
        pytest.param(ConnectionClosedError(endpoint_url=URL), EndpointFailed, id="cut before the answer"),
        pytest.param(ResponseStreamingError(error="reset"), EndpointFailed, id="cut within the answer"),
        pytest.param(IncompleteReadError(actual_bytes=1, expected_bytes=2), EndpointFailed, id="a short answer"),
        pytest.param(ConnectTimeoutError(endpoint_url=URL), EndpointUnavailable, id="connect time-out"),
        pytest.param(EndpointConnectionError(endpoint_url=URL), EndpointUnavailable, id="refused"),
        pytest.param(NoCredentialsError(), EndpointUnavailable, id="no credentials"),
        pytest.param(ConnectionResetError("reset"), EndpointUnavailable, id="reset"),
    ],
)
def test_errors_on_the_way(error: Exception, expected: type[Exception]) -> None:
    assert type(of_transport(error)) is expected
