"""The model endpoint: what is asked, and what is read from the answer."""

import io
import itertools
import json
import threading
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import Stubber
from prometheus_client import CollectorRegistry

from classifier import endpoint as endpoint_module
from classifier.endpoint import TEXT_LIMIT, ModelEndpoint
from classifier.endpoint_errors import ContentRefused, EndpointFailed, EndpointUnavailable
from classifier.metrics import Metrics
from tests.support.classifier_parts import labels_of, value
from tests.support.recording_log import RecordingLog, record_log

URL = "https://runtime.sagemaker.us-east-1.amazonaws.com"
QUAKE, FLOOD = "an earthquake being felt", "rising water"
LABELS = labels_of({"name": "quake", "description": QUAKE}, {"name": "flood", "description": FLOOD})
WITH_EXAMPLES = labels_of(
    {"name": "quake", "description": QUAKE, "examples": ["it shook"], "counter_examples": ["a milk shake"]},
    {"name": "flood", "description": FLOOD},
)
SENT_EXAMPLES = {"examples": {QUAKE: ["it shook"]}, "counter_examples": {QUAKE: ["a milk shake"]}}


def answer_of(*scores: dict[str, float]) -> bytes:
    """Answers as the zero-shot toolkit gives them: best label first."""
    ranked = [sorted(each.items(), key=lambda item: -item[1]) for each in scores]
    return json.dumps(
        [{"sequence": "a", "labels": [w for w, _ in each], "scores": [s for _, s in each]} for each in ranked]
    ).encode()


def scored(scores: bytes) -> bytes:
    return b'{"labels": ["rising water", "an earthquake being felt"], "scores": ' + scores + b"}"


def client_error(code: str, status: int, **more: Any) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response | more, "InvokeEndpoint")


def model_error(status: int) -> ClientError:
    return client_error("ModelError", 424, OriginalStatusCode=status)


GOOD = answer_of({QUAKE: 0.25, FLOOD: 0.75})


class Body(io.BytesIO):
    """An answer's body without a socket."""

    def set_socket_timeout(self, timeout: float) -> None:
        assert timeout > 0


class FakeRuntime:
    """A client of SageMaker Runtime that gives one answer, or raises it. ``attributes``: the custom ones of answers."""

    def __init__(self, answer: bytes | Exception = GOOD, attributes: str | None = None) -> None:
        self.answer = answer
        self.attributes = attributes
        self.requests: list[dict[str, Any]] = []

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        more = {} if self.attributes is None else {"CustomAttributes": self.attributes}
        return {"Body": Body(self.answer), **more}

    @property
    def parameters(self) -> dict[str, Any]:
        """Those of the last request."""
        parameters: dict[str, Any] = json.loads(self.requests[-1]["Body"])["parameters"]
        return parameters


def endpoint_over(client: Any, registry: CollectorRegistry | None = None, clock: Any = lambda: 0.0) -> ModelEndpoint:
    metrics = Metrics(registry or CollectorRegistry()).of_endpoint("minilm-1")
    return ModelEndpoint(client, "minilm-1", "minilm", metrics, clock)


def scores(client: Any, *texts: str) -> list[list[float]]:
    return [list(each) for each in endpoint_over(client).classify(texts, LABELS.everything)]


def test_the_request_is_that_of_the_zero_shot_toolkit() -> None:
    runtime = FakeRuntime()
    scores(runtime, "strong shaking")
    (request,) = runtime.requests
    assert json.loads(request.pop("Body")) == {
        "inputs": ["strong shaking"],
        "parameters": {
            "candidate_labels": [QUAKE, FLOOD],
            "multi_label": True,
            "hypothesis_template": "It is about {}.",
        },
    }
    assert request == {"EndpointName": "minilm-1", "ContentType": "application/json", "Accept": "application/json"}


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
    body.set_socket_timeout = lambda timeout: None  # type: ignore[method-assign] # there is no socket
    stubber.add_response("invoke_endpoint", {"Body": body, "CustomAttributes": "zero-shot-model; examples"})
    assert scores(client, "a") == [[0.25, 0.75]]
    stubber.assert_no_pending_responses()


def test_scores_are_told_in_the_order_of_texts_and_candidates_however_the_answer_is_sorted() -> None:
    answers = answer_of({QUAKE: 0.9, FLOOD: 0.1}, {QUAKE: 0.2, FLOOD: 0.8})
    assert scores(FakeRuntime(answers), "a", "b") == [[0.9, 0.1], [0.2, 0.8]]


def test_a_bare_object_is_the_answer_to_one_text() -> None:
    bare = json.dumps(json.loads(GOOD)[0]).encode()
    assert scores(FakeRuntime(bare), "a") == [[0.25, 0.75]]
    with pytest.raises(EndpointFailed, match="1 answers to 2 texts"):
        scores(FakeRuntime(bare), "a", "b")


def test_a_long_text_is_cut_before_it_is_sent() -> None:
    runtime = FakeRuntime()
    scores(runtime, "a" * (TEXT_LIMIT + 5))
    assert json.loads(runtime.requests[0]["Body"])["inputs"] == ["a" * TEXT_LIMIT]


def test_scores_may_be_above_one_by_rounding_and_may_have_labels_that_nobody_asked_for() -> None:
    answer = answer_of({QUAKE: 1.0000001, FLOOD: 0.0, "something else": 7.0})
    assert scores(FakeRuntime(answer), "a") == [[1.0000001, 0.0]]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(b"[]", "0 answers to 1 texts", id="too few answers"),
        pytest.param(answer_of(*[{FLOOD: 0.5}] * 2), "2 answers to 1 texts", id="too many answers"),
        pytest.param(answer_of({FLOOD: 0.5}), "without a score for 'an earthquake", id="missing label"),
        pytest.param(scored(b"[0.5]"), "without a score for 'an earthquake", id="missing score"),
        pytest.param(scored(b"[-0.1, 0.5]"), "scores that are not between 0 and 1", id="below 0"),
        pytest.param(scored(b"[0.5, 1.1]"), "scores that are not between 0 and 1", id="above 1"),
        pytest.param(scored(b"[12.5, -3.25]"), "scores that are not between 0 and 1", id="logits"),
        pytest.param(scored(b"[NaN, 0.5]"), "zero-shot shape", id="NaN"),
        pytest.param(scored(b"[null, 0.5]"), "zero-shot shape", id="null"),
        pytest.param(scored(b"[1e999, 0.5]"), "zero-shot shape", id="not finite"),
        pytest.param(scored(b'["0.5", 0.5]'), "zero-shot shape", id="text"),
        pytest.param(b"<html>504 Gateway</html>", "zero-shot shape", id="not JSON"),
        pytest.param(b"", "zero-shot shape", id="nothing"),
        pytest.param(b'{"error": "loading"}', "zero-shot shape", id="an error with status 200"),
        pytest.param(b"\xff\xff", "zero-shot shape", id="not UTF-8"),
        pytest.param(b"[" * 100_000, "zero-shot shape", id="nested without end"),
    ],
)
def test_an_answer_that_cannot_be_used_is_a_failure(answer: bytes, reason: str) -> None:
    with pytest.raises(EndpointFailed, match=reason):
        scores(FakeRuntime(answer), "a")


# examples


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    return record_log(monkeypatch, endpoint_module)


def sends_examples(runtime: FakeRuntime, endpoint: ModelEndpoint) -> bool:
    endpoint.classify(["a"], WITH_EXAMPLES.everything)
    sent = {key: runtime.parameters[key] for key in SENT_EXAMPLES if key in runtime.parameters}
    assert sent in ({}, SENT_EXAMPLES)
    return bool(sent)


@pytest.mark.parametrize("attributes", ["examples", "zero-shot-model; examples", "a;examples ;b"])
def test_examples_are_sent_once_an_answer_has_said_that_they_are_read(log: RecordingLog, attributes: str) -> None:
    runtime = FakeRuntime(attributes=attributes)
    endpoint = endpoint_over(runtime)
    assert [sends_examples(runtime, endpoint) for _ in range(3)] == [False, True, True]
    assert log.lines == []
    endpoint.classify(["a"], LABELS.everything)
    assert not runtime.parameters.keys() & SENT_EXAMPLES.keys()


@pytest.mark.parametrize("attributes", [None, "", "trace-7", "no-examples", "examples-not"])
def test_a_model_that_does_not_read_them_never_gets_them_and_the_log_says_so_once(
    log: RecordingLog, attributes: str | None
) -> None:
    runtime = FakeRuntime(attributes=attributes)
    endpoint = endpoint_over(runtime)
    assert not any(sends_examples(runtime, endpoint) for _ in range(5))
    ((level, event, values),) = log.lines
    assert (level, values) == ("warning", {"model": "minilm"})
    assert "examples are left out" in event


def test_without_examples_there_is_nothing_to_tell(log: RecordingLog) -> None:
    endpoint = endpoint_over(FakeRuntime())
    for _ in range(3):
        endpoint.classify(["a"], LABELS.everything)
    assert log.lines == []


def test_an_error_says_nothing_of_what_is_read() -> None:
    runtime = FakeRuntime(attributes="examples")
    endpoint = endpoint_over(runtime)
    endpoint.classify(["a"], WITH_EXAMPLES.everything)
    runtime.answer = model_error(503)
    with pytest.raises(EndpointUnavailable):
        endpoint.classify(["a"], WITH_EXAMPLES.everything)
    runtime.answer = GOOD
    assert sends_examples(runtime, endpoint)


def test_after_another_model_was_put_in_its_place_they_are_left_out_until_it_has_answered(log: RecordingLog) -> None:
    runtime = FakeRuntime(attributes="examples")
    endpoint = endpoint_over(runtime)
    sends_examples(runtime, endpoint)
    runtime.answer, runtime.attributes = model_error(400), None
    with pytest.raises(ContentRefused):
        endpoint.classify(["a"], WITH_EXAMPLES.everything)
    endpoint.forget_what_it_reads()
    runtime.answer = GOOD
    assert not sends_examples(runtime, endpoint)
    assert not sends_examples(runtime, endpoint)
    assert len(log.lines) == 1


# metrics


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (GOOD, "ok"),
        (b"[]", "EndpointFailed"),
        (model_error(500), "EndpointFailed"),
        (model_error(503), "EndpointBusy"),
        (model_error(400), "ContentRefused"),
        (client_error("InternalFailure", 500), "EndpointUnavailable"),
        (ReadTimeoutError(endpoint_url=URL), "EndpointTooSlow"),
    ],
)
def test_calls_are_counted_by_outcome_each_of_which_is_there_from_the_start(
    answer: bytes | Exception, outcome: str
) -> None:
    registry = CollectorRegistry()
    endpoint = endpoint_over(FakeRuntime(answer), registry)
    labels = {"endpoint": "minilm-1", "outcome": outcome}
    assert registry.get_sample_value("classifier_endpoint_calls_total", labels) == 0
    if outcome == "ok":
        endpoint.classify(["a"], LABELS.everything)
    else:
        with pytest.raises((EndpointUnavailable, ContentRefused)):
            endpoint.classify(["a"], LABELS.everything)
    assert value(registry, "classifier_endpoint_calls_total", **labels) == 1


def test_a_call_that_succeeds_is_timed() -> None:
    registry = CollectorRegistry()
    moments = itertools.chain([10.0], itertools.repeat(10.5))
    endpoint_over(FakeRuntime(), registry, lambda: next(moments)).classify(["a"], LABELS.everything)
    assert value(registry, "classifier_endpoint_seconds_sum", endpoint="minilm-1") == 0.5
    assert value(registry, "classifier_endpoint_texts_sum", endpoint="minilm-1") == 1


def test_one_endpoint_serves_several_threads() -> None:
    endpoint = endpoint_over(FakeRuntime())
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(endpoint.classify(["a"], LABELS.everything))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[[0.25, 0.75]]] * 8
