"""A model's error message may quote the post: it is in the dead letter, which holds the post anyway, and in no log."""

import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from prometheus_client import CollectorRegistry

import pipeline.connection_state
from classifier.cases import Judged
from classifier.endpoint_errors import ContentRefused, EndpointError, of_client_error, of_transport
from classifier.in_hand import InHand
from classifier.metrics import Metrics
from classifier.outcomes import Outcomes
from tests.support.classifier_parts import HARMLESS, Lines, ScriptedModel, a_case, labels_of
from tests.support.examples import NOW
from tests.support.fake_queue_ends import FakeReader, FakeWriter
from tests.support.recording_log import record_log

SECRET = "we meet at the old mill"
QUOTING = f"1 validation error for Request: inputs: found '{SECRET}'"


def error_of(code: str, status: int, **more: Any) -> EndpointError:
    """What the container, or SageMaker, answered."""
    response: Any = {"Error": {"Code": code, "Message": QUOTING}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return of_client_error(ClientError(response | more, "InvokeEndpoint"))


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (error_of("ModelError", 424, OriginalStatusCode=422), "ContentRefused: ModelError, status 422"),
        (error_of("ModelError", 424, OriginalStatusCode=429), "EndpointBusy: ModelError, status 429"),
        (error_of("ModelError", 424, OriginalStatusCode=500), "EndpointFailed: ModelError, status 500"),
        (error_of("422", 422), "ContentRefused: status 422"),
        (error_of("ValidationError", 400), "ContentRefused: ValidationError, status 400"),
        (error_of("AccessDeniedException", 403), "EndpointUnavailable: AccessDeniedException, status 403"),
        # the SDK takes a name from the body of a container that is asked without SageMaker
        (error_of(SECRET, 404), "EndpointUnavailable: status 404"),
        (error_of("", 400, ResponseMetadata={"HTTPStatusCode": SECRET}), "EndpointUnavailable"),
        (
            of_transport(EndpointConnectionError(endpoint_url="http://a")),
            "EndpointUnavailable: EndpointConnectionError",
        ),
        (error_of("ModelError", 424, OriginalStatusCode=[SECRET]), "EndpointFailed: ModelError"),
        (error_of("mill", 404), "EndpointUnavailable: status 404"),
        (ContentRefused(QUOTING), "ContentRefused"),
    ],
)
def test_what_may_be_logged_of_an_error_is_its_class_its_code_and_its_status(error: EndpointError, said: str) -> None:
    assert error.for_log == said


def test_a_refused_post_goes_to_the_dead_letters_with_the_words_and_to_the_log_without() -> None:
    reader = FakeReader(threading.Event())
    metrics = Metrics(CollectorRegistry())
    outcomes = Outcomes(reader, FakeWriter(), InHand(100, 1_000_000), metrics, lambda: NOW)
    case = a_case(SECRET)
    case.label_set = labels_of().everything
    refusal = error_of("ModelError", 424, OriginalStatusCode=422)
    assert isinstance(refusal, ContentRefused)
    outcomes.settle([(case, refusal)])
    assert reader.dead_letters == {"1": f"refused by the model: {QUOTING}"}
    assert reader.log_reasons == {"1": "refused by the model: ContentRefused: ModelError, status 422"}


def test_one_that_the_model_fails_at_again_and_again_is_logged_without_them() -> None:
    failure = error_of("ModelError", 424, OriginalStatusCode=500)
    told = Lines(ScriptedModel(lambda texts: failure if texts != HARMLESS else None)).judge(SECRET)[SECRET]
    assert isinstance(told, ContentRefused)
    assert SECRET in str(told)
    assert told.for_log == "ContentRefused: EndpointFailed: ModelError, status 500"


@pytest.mark.parametrize(("code", "status"), [("ModelError", 503), ("ModelError", 429), ("InternalFailure", 500)])
def test_an_endpoint_in_trouble_is_logged_without_them(monkeypatch: pytest.MonkeyPatch, code: str, status: int) -> None:
    log = record_log(monkeypatch, pipeline.connection_state)
    left: list[Exception] = [error_of(code, status, OriginalStatusCode=status)]
    told = Lines(ScriptedModel(lambda _texts: left.pop() if left else None)).judge(SECRET)
    assert isinstance(told[SECRET], Judged)
    ((_level, event, values), _again) = log.lines
    assert event == "cannot be reached, trying again"
    assert f"{code}, status {status}" in str(values["reason"])
    assert SECRET not in str(log.lines)
