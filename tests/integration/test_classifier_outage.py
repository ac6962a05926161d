"""classifier as a real process and a model endpoint in trouble; the ledgers are the queue's and the endpoint's own."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.contracts import encode
from tests.support.endpoint_stand_in import THROTTLED, Cut, EndpointStandIn, model_error
from tests.support.examples import a_post
from tests.support.polling import wait_until
from tests.support.service_process import (
    CONFIG,
    SECONDS,
    Run,
    Variables,
    asked,
    log_after_sigterm,
    running_services,
    variables_for,
)
from tests.support.strict_sqs import RealClock, StrictSqs, What

HARMLESS = ("Good morning.",)
WORKERS = 4
#: What one receive that is under way when the reader is paused may still bring.
ONE_RECEIVE = 10


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with running_services(tmp_path) as run:
        yield run


@pytest.fixture
def sqs() -> StrictSqs:
    sqs = StrictSqs(RealClock(), random.Random(1))
    sqs.make_queue("posts_dead_letter")
    sqs.make_queue("posts", dead_letters="posts_dead_letter")
    sqs.make_queue("alerts")
    return sqs


@pytest.fixture
def endpoint() -> Iterator[EndpointStandIn]:
    with EndpointStandIn() as endpoint:
        yield endpoint


@pytest.fixture
def variables(sqs: StrictSqs, endpoint: EndpointStandIn, tmp_path: Path) -> Iterator[Variables]:
    config = tmp_path / "alerts.yaml"
    config.write_text(CONFIG)
    with sqs.serve() as front:
        yield variables_for("classifier", front.url, config, endpoint.url) | {"WORKERS": str(WORKERS)}


def send(sqs: StrictSqs, numbers: Sequence[int]) -> None:
    for number in numbers:
        body = encode(a_post(f"x:{number}", text=f"post {number}"))
        sqs.client.send_message(QueueUrl="http://sqs.test/000000000000/posts", MessageBody=body)


def alerts(sqs: StrictSqs) -> int:
    return len(sqs.bodies("alerts"))


def metric(variables: Variables, name: str, **labels: str) -> float | None:
    response = asked(variables, "/metrics")
    if response is None:
        return None
    samples = [sample for family in text_string_to_metric_families(response.text) for sample in family.samples]
    return next((sample.value for sample in samples if sample.name == name and sample.labels == labels), None)


def is_open(variables: Variables) -> bool:
    return metric(variables, "classifier_endpoint_breaker", endpoint="minilm", state="closed") == 0


def each_was_received_once(sqs: StrictSqs, count: int) -> bool:
    return list(sqs.ledger.bodies(What.DELIVERED, "posts").values()) == [1] * count


def test_in_an_outage_one_worker_probes_nothing_is_received_and_then_all_goes_on(
    run: Run, sqs: StrictSqs, endpoint: EndpointStandIn, variables: Variables
) -> None:
    process = run("classifier", variables)
    send(sqs, range(20))
    wait_until(lambda: alerts(sqs) == 20, "the first alerts", SECONDS)
    assert not is_open(variables)

    endpoint.behave = lambda _call: Cut()
    send(sqs, range(20, 30))
    wait_until(lambda: is_open(variables), "the breaker to open", SECONDS)
    before = len(endpoint.calls)
    received = sqs.ledger.count(What.DELIVERED, "posts")
    send(sqs, range(30, 90))
    wait_until(lambda: len(endpoint.calls) >= before + 2, "some probes", SECONDS)
    # others may have begun calls before it opened; what comes last is probes
    late = [call for call in endpoint.calls[before:] if call.texts != HARMLESS]
    assert len(late) <= WORKERS - 1
    assert {(call.texts, call.under_way) for call in endpoint.calls[-2:]} == {(HARMLESS, 1)}
    assert sqs.ledger.count(What.DELIVERED, "posts") <= received + ONE_RECEIVE
    assert len(sqs.visible("posts")) >= 60 - ONE_RECEIVE

    endpoint.behave = lambda _call: None
    wait_until(lambda: alerts(sqs) == 90, "all alerts", SECONDS)
    wait_until(lambda: not sqs.bodies("posts"), "all posts to be deleted", SECONDS)
    assert not is_open(variables)
    # no receive count was burnt
    assert each_was_received_once(sqs, 90)
    log = log_after_sigterm(process)
    told = [line["event"] for line in log if line.get("what") == "model endpoint minilm"]
    assert told == ["cannot be reached, trying again", "reachable again"]


def test_a_stop_in_an_outage_ends_all_waits_and_gives_back_what_is_in_hand(
    run: Run, sqs: StrictSqs, endpoint: EndpointStandIn, variables: Variables
) -> None:
    process = run("classifier", variables)
    send(sqs, range(1))
    wait_until(lambda: alerts(sqs) == 1, "the first alert", SECONDS)
    endpoint.behave = lambda _call: model_error(500)
    send(sqs, range(1, 41))
    wait_until(lambda: is_open(variables), "the breaker to open", SECONDS)
    # by now the waits are long enough for workers to be in them
    before = len(endpoint.calls)
    wait_until(lambda: len(endpoint.calls) >= before + 1, "some probes", SECONDS)
    log = log_after_sigterm(process)
    assert log[-1]["event"] == "stopped"
    assert len(sqs.visible("posts")) == 40
    assert sqs.bodies("posts_dead_letter") == []


def test_an_endpoint_that_refuses_everything_for_a_while_costs_no_post(
    run: Run, sqs: StrictSqs, endpoint: EndpointStandIn, variables: Variables
) -> None:
    run("classifier", variables)
    send(sqs, range(1))
    wait_until(lambda: alerts(sqs) == 1, "the first alert", SECONDS)
    endpoint.behave = lambda _call: model_error(400)
    send(sqs, range(1, 61))
    wait_until(lambda: is_open(variables), "the breaker to open", SECONDS)
    before = len(endpoint.calls)
    wait_until(lambda: len(endpoint.calls) >= before + 1, "some probes", SECONDS)
    endpoint.behave = lambda _call: None
    wait_until(lambda: alerts(sqs) == 61, "all alerts", SECONDS)
    assert sqs.bodies("posts_dead_letter") == []
    assert each_was_received_once(sqs, 61)


def test_an_endpoint_that_bears_one_call_at_a_time_gets_fewer_and_judges_all(
    run: Run, sqs: StrictSqs, endpoint: EndpointStandIn, variables: Variables
) -> None:
    endpoint.behave = lambda call: THROTTLED if call.under_way > 1 else None
    endpoint.seconds = 0.05
    send(sqs, range(200))
    run("classifier", variables)
    wait_until(
        lambda: (metric(variables, "classifier_endpoint_calls_limit", endpoint="minilm") or WORKERS) < WORKERS,
        "the limit to shrink",
        SECONDS,
    )
    wait_until(lambda: alerts(sqs) == 200, "all alerts", SECONDS)
    wait_until(lambda: not sqs.bodies("posts"), "all posts to be deleted", SECONDS)
    assert each_was_received_once(sqs, 200)
    refused = sum(call.under_way > 1 for call in endpoint.calls)
    assert metric(variables, "classifier_endpoint_calls_total", endpoint="minilm", outcome="EndpointBusy") == refused
    # four at a time would have three of four refused
    assert refused < len(endpoint.calls) / 2
