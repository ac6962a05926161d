"""The services' commands as real processes: a user's mistakes, queues that cannot be reached, SIGTERM."""

import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.misbehaving_server import Answer, MisbehavingServer, reset, respond, silence, stream
from tests.support.polling import wait_until
from tests.support.service_process import (
    CONFIG,
    SECONDS,
    TOKEN,
    Run,
    Variables,
    asked,
    log_after_sigterm,
    mistake_of,
    running_services,
    variables_for,
)

SERVICES = ("stream-getter", "classifier", "notifier")
SCORES = respond("200 OK", b'[{"sequence": "", "labels": ["flood"], "scores": [0.1]}]')
QUEUE = respond("200 OK", b'{"Attributes": {}}', {"Content-Type": "application/x-amz-json-1.0"})


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with running_services(tmp_path) as run:
        yield run


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "alerts.yaml"
    path.write_text(CONFIG)
    return path


@pytest.mark.parametrize(
    ("service", "missing"),
    [("stream-getter", "X_BEARER_TOKEN"), ("classifier", "ENDPOINT_NAME"), ("notifier", "DELIVERIES_QUEUE_URL")],
)
def test_a_missing_variable(run: Run, config: Path, service: str, missing: str) -> None:
    variables = variables_for(service, "http://127.0.0.1:9", config)
    del variables[missing]
    line = mistake_of(run(service, variables))
    assert line.startswith(f"{service}: environment: {missing}: expected ")
    assert line.endswith(", got nothing")


@pytest.mark.parametrize("service", ["classifier", "notifier"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (CONFIG.replace("0.5", "1.5"), "labels[0].threshold: "),
        (CONFIG.replace("desk]", "nobody]"), "routes[0].channels: "),
        ("labels: [", "line "),
        (None, "expected a readable file"),
    ],
    ids=["value", "reference", "no YAML", "no file"],
)
def test_a_mistake_in_the_configuration(run: Run, config: Path, service: str, content: str | None, said: str) -> None:
    if content is None:
        config.unlink()
    else:
        config.write_text(content)
    line = mistake_of(run(service, variables_for(service, "http://127.0.0.1:9", config)))
    assert line.startswith(f"{service}: {config}: {said}")


@pytest.mark.parametrize("service", SERVICES)
def test_a_port_in_use(run: Run, config: Path, service: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, MisbehavingServer(silence) as queues:
        port = str(taken.getsockname()[1])
        variables = variables_for(service, queues.url, config) | {"TELEMETRY_PORT": port}
        line = mistake_of(run(service, variables))
    assert line.startswith(f"{service}: environment: TELEMETRY_PORT: expected a free port on 127.0.0.1, got {port}")


@pytest.mark.parametrize("token", [f"{TOKEN}\n", f"{TOKEN}\u201d"], ids=["line end", "quotation mark"])
def test_a_token_that_no_header_can_hold_is_not_told(run: Run, config: Path, token: str) -> None:
    variables = variables_for("stream-getter", "http://127.0.0.1:9", config) | {"X_BEARER_TOKEN": token}
    line = mistake_of(run("stream-getter", variables))
    assert line.startswith("stream-getter: environment: X_BEARER_TOKEN: expected ")
    assert TOKEN not in line


def test_a_topic_that_is_needed_and_missing(run: Run, config: Path) -> None:
    variables = variables_for("notifier", "http://127.0.0.1:9", config)
    del variables["SNS_TOPIC_ARN"]
    line = mistake_of(run("notifier", variables))
    assert line.startswith("notifier: environment: SNS_TOPIC_ARN: expected the ARN of a topic for channel 'desk'")


def said_not_ready(variables: Variables, what: str) -> bool:
    response = asked(variables, "/readyz")
    return response is not None and response.status_code == 503 and f"{what}: Connection" in response.text


def unreachable(log: list[dict[str, Any]], what: str) -> int:
    return sum(line["event"] == "cannot be reached, trying again" and line["what"].endswith(what) for line in log)


@pytest.mark.parametrize(
    ("service", "elsewhere", "queue", "tries"),
    [
        pytest.param("stream-getter", stream(b"\r\n", silence), "posts", 5, id="stream-getter"),
        # their readers and writers try at the same time
        pytest.param("classifier", SCORES, "posts", 9, id="classifier, posts"),
        pytest.param("classifier", SCORES, "alerts", 9, id="classifier, alerts"),
        pytest.param("notifier", SCORES, "alerts", 9, id="notifier"),
    ],
)
def test_a_queue_that_cannot_be_reached_is_told_once_and_waited_for(
    run: Run, config: Path, service: str, elsewhere: Answer, queue: str, tries: int
) -> None:
    with MisbehavingServer(reset) as queues, MisbehavingServer(elsewhere) as other:
        variables = variables_for(service, queues.url, config, other.url)
        process = run(service, variables)
        queues.wait_for_requests(tries)
        wait_until(lambda: said_not_ready(variables, f"{queue} queue"), "readiness to name the queue", SECONDS)
        log = log_after_sigterm(process)
    assert unreachable(log, f"queue {queue}") == 1
    assert log[-1]["event"] == "stopped"


def test_a_model_endpoint_that_cannot_be_reached_is_told_once_and_waited_for(run: Run, config: Path) -> None:
    with MisbehavingServer(reset) as endpoint, MisbehavingServer(QUEUE) as queues:
        variables = variables_for("classifier", queues.url, config, endpoint.url) | {"WORKERS": "1"}
        process = run("classifier", variables)
        endpoint.wait_for_requests(2)
        wait_until(lambda: said_not_ready(variables, "model endpoint"), "readiness to name the endpoint", SECONDS)
        # nothing is received while nothing can be judged
        assert all("ReceiveMessage" not in request for request in queues.requests)
        log = log_after_sigterm(process)
    assert unreachable(log, "model endpoint minilm") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stream_that_is_silent_does_not_hold_up_the_end(run: Run, config: Path, number: signal.Signals) -> None:
    with MisbehavingServer(stream(b"\r\n", silence)) as x, MisbehavingServer(QUEUE) as queues:
        variables = variables_for("stream-getter", queues.url, config, x.url) | {"STALL_SECONDS": "600"}
        process = run("stream-getter", variables)

        def ready() -> bool:
            response = asked(variables, "/readyz")
            return response is not None and response.status_code == 200

        wait_until(ready, "stream-getter to be ready", SECONDS)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, stderr
    assert TOKEN not in stderr
