"""The model endpoint: what is asked, what is read from the answer, and what each error means."""

import io
import json
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)
from botocore.response import StreamingBody
from botocore.stub import Stubber
from prometheus_client import CollectorRegistry

from classifier.endpoint import TEXT_LIMIT, ContentRefused, EndpointBusy, EndpointUnavailable, ModelEndpoint
from classifier.metrics import Metrics

CANDIDATES = {"quake": "an earthquake being felt", "flood": "rising water"}
URL = "https://runtime.sagemaker.us-east-1.amazonaws.com"


class FakeRuntime:
    """A client of SageMaker Runtime that gives one answer, or raises it."""

    def __init__(self, answer: bytes | Exception) -> None:
        self._answer = answer
        self.requests: list[dict[str, Any]] = []

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        if isinstance(self._answer, Exception):
            raise self._answer
        return {"Body": io.BytesIO(self._answer)}


def endpoint_over(client: Any, registry: CollectorRegistry | None = None, clock: Any = lambda: 0.0) -> ModelEndpoint:
    return ModelEndpoint(
        client, "minilm", CANDIDATES, "It is about {}.", Metrics(registry or CollectorRegistry()), clock
    )


def answer_of(*scores: dict[str, float]) -> bytes:
    """Answers as the zero-shot toolkit gives them: best label first."""
    ranked = [sorted(each.items(), key=lambda item: -item[1]) for each in scores]
    return json.dumps(
        [{"sequence": "a", "labels": [w for w, _ in each], "scores": [s for _, s in each]} for each in ranked]
    ).encode()


def scored(scores: bytes) -> bytes:
    return b'{"labels": ["rising water", "an earthquake being felt"], "scores": ' + scores + b"}"


GOOD = answer_of({"an earthquake being felt": 0.25, "rising water": 0.75})


def client_error(code: str, message: str, status: int, **more: Any) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response | more, "InvokeEndpoint")


def model_error(status: int, message: str = "the model said no") -> ClientError:
    return client_error("ModelError", message, 424, OriginalStatusCode=status, OriginalMessage=message)


def test_the_request_is_that_of_the_zero_shot_toolkit() -> None:
    runtime = FakeRuntime(GOOD)
    endpoint_over(runtime).classify(["strong shaking"])
    (request,) = runtime.requests
    assert json.loads(request.pop("Body")) == {
        "inputs": ["strong shaking"],
        "parameters": {
            "candidate_labels": ["an earthquake being felt", "rising water"],
            "multi_label": True,
            "hypothesis_template": "It is about {}.",
        },
    }
    assert request == {
        "EndpointName": "minilm",
        "ContentType": "application/json",
        "Accept": "application/json",
    }


@pytest.fixture
def stubbed() -> Iterator[tuple[Any, Stubber]]:
    client = boto3.client(
        "sagemaker-runtime", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    with Stubber(client) as stubber:
        yield client, stubber


def test_request_and_answer_are_of_the_shapes_that_boto3_knows(stubbed: tuple[Any, Stubber]) -> None:
    client, stubber = stubbed
    body = StreamingBody(io.BytesIO(GOOD), len(GOOD))
    stubber.add_response("invoke_endpoint", {"Body": body, "ContentType": "application/json"})
    assert endpoint_over(client).classify(["a"]) == [{"quake": 0.25, "flood": 0.75}]
    stubber.assert_no_pending_responses()


def test_an_answer_that_breaks_off_is_an_outage(stubbed: tuple[Any, Stubber]) -> None:
    client, stubber = stubbed
    body = StreamingBody(io.BytesIO(GOOD), len(GOOD) + 10)
    stubber.add_response("invoke_endpoint", {"Body": body, "ContentType": "application/json"})
    with pytest.raises(EndpointUnavailable):
        endpoint_over(client).classify(["a"])


def test_scores_are_told_by_label_name_in_the_order_of_the_texts() -> None:
    answers = answer_of(
        {"an earthquake being felt": 0.9, "rising water": 0.1}, {"an earthquake being felt": 0.2, "rising water": 0.8}
    )
    assert endpoint_over(FakeRuntime(answers)).classify(["a", "b"]) == [
        {"quake": 0.9, "flood": 0.1},
        {"quake": 0.2, "flood": 0.8},
    ]


def test_a_bare_object_is_the_answer_to_one_text() -> None:
    bare = json.dumps(json.loads(GOOD)[0]).encode()
    assert endpoint_over(FakeRuntime(bare)).classify(["a"]) == [{"quake": 0.25, "flood": 0.75}]


def test_a_long_text_is_cut_before_it_is_sent() -> None:
    runtime = FakeRuntime(GOOD)
    endpoint_over(runtime).classify(["a" * (TEXT_LIMIT + 5)])
    assert json.loads(runtime.requests[0]["Body"])["inputs"] == ["a" * TEXT_LIMIT]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(b"[]", "0 answers to 1 texts", id="too few answers"),
        pytest.param(answer_of(*[{"rising water": 0.5}] * 2), "2 answers to 1 texts", id="too many answers"),
        pytest.param(answer_of({"rising water": 0.5}), "without a score for 'an earthquake", id="missing label"),
        pytest.param(scored(b"[0.5]"), "without a score for 'an earthquake", id="missing score"),
        pytest.param(scored(b"[NaN, 0.5]"), "zero-shot shape", id="NaN"),
        pytest.param(scored(b"[null, 0.5]"), "zero-shot shape", id="null"),
        pytest.param(scored(b"[1e999, 0.5]"), "zero-shot shape", id="not finite"),
        pytest.param(scored(b'["0.5", 0.5]'), "zero-shot shape", id="text"),
        pytest.param(b"<html>504 Gateway</html>", "zero-shot shape", id="not JSON"),
        pytest.param(b"", "zero-shot shape", id="nothing"),
        pytest.param(b'{"error": "loading"}', "zero-shot shape", id="an error with status 200"),
        pytest.param(b"\xff\xff", "zero-shot shape", id="not UTF-8"),
    ],
)
def test_an_answer_that_cannot_be_used_is_an_outage(answer: bytes, reason: str) -> None:
    with pytest.raises(EndpointUnavailable, match=reason):
        endpoint_over(FakeRuntime(answer)).classify(["a"])


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(client_error("ThrottlingException", "Rate exceeded", 429), id="throttled"),
        pytest.param(client_error("ThrottlingException", "Rate exceeded", 400), id="throttled as 400"),
        pytest.param(model_error(500), id="model failed"),
        pytest.param(model_error(503), id="model busy"),
        pytest.param(client_error("ModelError", "no status", 424), id="model error without a status"),
        pytest.param(client_error("ModelNotReadyException", "loading", 429), id="not ready"),
        pytest.param(
            client_error("ValidationError", "Endpoint minilm of account 1 not found.", 400), id="no such endpoint"
        ),
        pytest.param(client_error("ServiceUnavailable", "try later", 503), id="503"),
        pytest.param(client_error("InternalFailure", "oops", 500), id="500"),
        pytest.param(client_error("AccessDeniedException", "not allowed", 403), id="access denied"),
        pytest.param(EndpointConnectionError(endpoint_url=URL), id="refused"),
        pytest.param(ConnectTimeoutError(endpoint_url=URL), id="connect time-out"),
        pytest.param(ReadTimeoutError(endpoint_url=URL), id="read time-out"),
        pytest.param(ConnectionClosedError(endpoint_url=URL), id="closed"),
        pytest.param(NoCredentialsError(), id="no credentials"),
        pytest.param(ConnectionResetError("reset by peer"), id="reset"),
    ],
)
def test_errors_that_may_pass(error: Exception) -> None:
    with pytest.raises(EndpointUnavailable):
        endpoint_over(FakeRuntime(error)).classify(["a"])


@pytest.mark.parametrize(
    ("error", "is_busy"),
    [
        pytest.param(client_error("ThrottlingException", "Rate exceeded", 429), True, id="throttled"),
        pytest.param(client_error("ThrottlingException", "Rate exceeded", 400), True, id="throttled as 400"),
        pytest.param(client_error("429", "Too Many Requests", 429), True, id="429"),
        pytest.param(client_error("ServiceUnavailable", "try later", 503), True, id="503"),
        pytest.param(model_error(429), True, id="model throttles"),
        pytest.param(model_error(503), True, id="model busy"),
        pytest.param(model_error(500), False, id="model failed"),
        pytest.param(client_error("InternalFailure", "oops", 500), False, id="500"),
        pytest.param(client_error("AccessDeniedException", "not allowed", 403), False, id="access denied"),
        pytest.param(client_error("ModelError", "no status", 424), False, id="model error without a status"),
        pytest.param(ReadTimeoutError(endpoint_url=URL), False, id="read time-out"),
        pytest.param(EndpointConnectionError(endpoint_url=URL), False, id="refused"),
    ],
)
def test_an_endpoint_that_has_too_much_to_do_is_told_apart(error: Exception, is_busy: bool) -> None:
    with pytest.raises(EndpointUnavailable) as caught:
        endpoint_over(FakeRuntime(error)).classify(["a"])
    assert isinstance(caught.value, EndpointBusy) is is_busy


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(model_error(400), id="model refused"),
        pytest.param(model_error(413), id="model found it too large"),
        pytest.param(model_error(422), id="model could not process it"),
        pytest.param(client_error("ValidationError", "Value at 'body' failed", 400), id="invalid"),
        pytest.param(client_error("413", "Request Entity Too Large", 413), id="too large"),
    ],
)
def test_errors_that_blame_the_content(error: Exception) -> None:
    with pytest.raises(ContentRefused):
        endpoint_over(FakeRuntime(error)).classify(["a"])


def test_the_words_of_an_error_are_one_bounded_line() -> None:
    error = model_error(400, "Traceback:\n  File\r\n" + "x" * 5000)
    with pytest.raises(ContentRefused, match=r"^Traceback: File x{100,}$") as caught:
        endpoint_over(FakeRuntime(error)).classify(["a"])
    assert len(str(caught.value)) <= 300


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (GOOD, "ok"),
        (b"[]", "EndpointUnavailable"),
        (model_error(500), "EndpointUnavailable"),
        (model_error(503), "EndpointBusy"),
        (model_error(400), "ContentRefused"),
    ],
)
def test_calls_are_counted_by_outcome(answer: bytes | Exception, outcome: str) -> None:
    registry = CollectorRegistry()
    endpoint = endpoint_over(FakeRuntime(answer), registry)
    if outcome == "ok":
        endpoint.classify(["a"])
    else:
        with pytest.raises((EndpointUnavailable, ContentRefused)):
            endpoint.classify(["a"])
    assert registry.get_sample_value("classifier_endpoint_calls_total", {"outcome": outcome}) == 1


def test_a_call_that_succeeds_is_timed() -> None:
    registry = CollectorRegistry()
    moments = iter([10.0, 10.5])
    endpoint_over(FakeRuntime(GOOD), registry, lambda: next(moments)).classify(["a"])
    assert registry.get_sample_value("classifier_endpoint_seconds_sum") == 0.5
    assert registry.get_sample_value("classifier_endpoint_texts_sum") == 1


def test_one_endpoint_serves_several_threads() -> None:
    endpoint = endpoint_over(FakeRuntime(GOOD))
    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(endpoint.classify(["a"]))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[{"quake": 0.25, "flood": 0.75}]] * 8
