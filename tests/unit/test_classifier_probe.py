"""What the prober asks, so that it finds an endpoint that can be asked."""

import io
import json
import random
from typing import Any

import pytest
from botocore.exceptions import ClientError
from prometheus_client import CollectorRegistry

from classifier.endpoint import ModelEndpoint
from classifier.endpoint_errors import EndpointFailed
from classifier.line import Line
from classifier.metrics import Metrics
from pipeline.adaptive_limit import AdaptiveLimit
from pipeline.backoff import Backoff
from pipeline.breaker import Breaker
from pipeline.connection_state import ConnectionState
from pipeline.contracts import MatchedRule
from tests.support.classifier_parts import labels_of
from tests.support.examples import a_post

WITH_EXAMPLES = labels_of({"name": "quake", "examples": ["it shook"]})


class Body(io.BytesIO):
    """An answer's body without a socket."""

    def set_socket_timeout(self, timeout: float) -> None:
        assert timeout > 0


class Runtime:
    """Says that it reads examples until it ``breaks_at_them``: then a request that has any is answered with 500."""

    breaks_at_them = False

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        parameters = json.loads(request["Body"])["parameters"]
        self.requests.append(parameters)
        if self.breaks_at_them and "examples" in parameters:
            response: Any = {"Error": {"Code": "ModelError", "Message": "no"}, "OriginalStatusCode": 500}
            raise ClientError(response, "InvokeEndpoint")
        answer = [{"labels": parameters["candidate_labels"], "scores": [0.5] * len(parameters["candidate_labels"])}]
        return {
            "Body": Body(json.dumps(answer).encode()),
            "CustomAttributes": "" if self.breaks_at_them else "examples",
        }


def line_to(client: Any) -> Line:
    endpoint = ModelEndpoint(client, "a", "a", Metrics(CollectorRegistry()).of_endpoint("a"))
    breaker = Breaker(3, Backoff(0.0, 0.0, random.Random(1)), lambda: 0.0, starts_open=True)
    return Line(endpoint, breaker, AdaptiveLimit(1, 4), ConnectionState("model endpoint a"))


def probe(line: Line) -> None:
    """A step of its prober."""
    permit = line.breaker.permit_now()
    assert permit
    line.probe_once(permit, WITH_EXAMPLES.everything)


def test_an_endpoint_whose_new_model_fails_at_examples_comes_back_without_them() -> None:
    runtime = Runtime()
    line = line_to(runtime)
    probe(line)
    line.endpoint.classify(["a"], WITH_EXAMPLES.everything)
    assert "examples" in runtime.requests[-1]
    runtime.breaks_at_them = True
    permit = line.breaker.permit_now()
    assert permit
    permit.failed(certain=True)
    probe(line)
    assert not line.is_up
    probe(line)
    assert line.is_up
    line.endpoint.classify(["a"], WITH_EXAMPLES.everything)
    assert "examples" not in runtime.requests[-1]


MANY = [{"name": f"label {number}", "only_rules": [f"rule {number}"]} for number in range(150)]


def test_the_first_probe_is_about_a_few_labels_and_later_ones_about_those_that_were_asked_about_last() -> None:
    runtime = Runtime()
    line = line_to(runtime)
    labels = labels_of(*MANY)
    first = line.set_to_probe(labels)
    assert first.candidates == tuple(f"label {number}" for number in range(10))
    line.probe(first)
    rules = [MatchedRule(id=str(number), tag=f"rule {number}") for number in range(20, 40)]
    asked = labels.for_post(a_post(rules=rules))
    assert asked
    line.endpoint.classify(["a"], asked)
    assert line.set_to_probe(labels) is asked


def test_labels_that_were_asked_about_and_failed_are_what_is_probed() -> None:
    """As where there are more than the model takes: whoever is asked about them must not be blamed."""
    runtime = Runtime()
    line = line_to(runtime)
    labels = labels_of(*MANY, {"name": "for all", "examples": ["it shook"]})
    line.probe(line.set_to_probe(labels))
    line.endpoint.classify(["a"], labels.everything)
    runtime.breaks_at_them = True
    with pytest.raises(EndpointFailed):
        line.endpoint.classify(["a"], labels.everything)
    assert line.set_to_probe(labels) is labels.everything


def test_new_labels_are_probed_by_a_few_again() -> None:
    line = line_to(Runtime())
    old, new = labels_of(*MANY), labels_of({"name": "new"})
    line.endpoint.classify(["a"], old.everything)
    old.supersede()
    assert line.set_to_probe(new) is new.everything


def test_labels_that_compete_count_among_the_few() -> None:
    line = line_to(Runtime())
    labels = labels_of(*({"name": f"label {number}", "unless": [f"thing {number}"]} for number in range(9)))
    assert len(line.set_to_probe(labels).candidates) == 10
    greedy = labels_of({"name": "a", "unless": [f"thing {number}" for number in range(20)]}, {"name": "b"})
    assert [label.name for label in line.set_to_probe(greedy).asked] == ["a"]
