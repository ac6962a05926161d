"""The telemetry port: metrics, liveness, readiness with its reasons, and whether it has ever been ready."""

import functools
import http.client
import socket
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

from pipeline.errors import UserMistake
from pipeline.telemetry import TelemetryServer

CHECKS: dict[str, Callable[[], str | None]] = {}


@pytest.fixture(scope="module", autouse=True)
def _close_at_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        quick = functools.partialmethod(ThreadingHTTPServer.serve_forever, poll_interval=0.01)
        patch.setattr(ThreadingHTTPServer, "serve_forever", quick)
        yield


@pytest.fixture(scope="module")
def server() -> Iterator[TelemetryServer]:
    registry = CollectorRegistry()
    Counter("posts_received", "Posts", registry=registry).inc(3)
    server = TelemetryServer("127.0.0.1", 0, registry, CHECKS)
    yield server
    server.close()


@pytest.fixture
def checks() -> Iterator[dict[str, Callable[[], str | None]]]:
    CHECKS.clear()
    yield CHECKS
    CHECKS.clear()


def get(server: TelemetryServer, path: str, accept: str = "*/*") -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.request("GET", path, headers={"Accept": accept})
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read().decode()
    finally:
        connection.close()


def test_metrics_are_those_of_the_registry(server: TelemetryServer) -> None:
    status, content_type, body = get(server, "/metrics")
    assert (status, content_type.partition(";")[0]) == (200, "text/plain")
    samples = {
        sample.name: sample.value for family in text_string_to_metric_families(body) for sample in family.samples
    }
    assert samples["posts_received_total"] == 3


def test_metrics_come_in_openmetrics_for_those_who_ask(server: TelemetryServer) -> None:
    _status, content_type, body = get(server, "/metrics", accept="application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith("# EOF\n")


def test_metrics_may_be_asked_for_with_a_query(server: TelemetryServer) -> None:
    assert get(server, "/metrics?name=posts")[0] == 200


def test_liveness_does_not_depend_on_readiness(
    server: TelemetryServer, checks: dict[str, Callable[[], str | None]]
) -> None:
    checks["queue posts"] = lambda: "refused"
    assert get(server, "/healthz") == (200, "text/plain; charset=utf-8", "ok\n")


def test_it_is_ready_when_nothing_is_missing(
    server: TelemetryServer, checks: dict[str, Callable[[], str | None]]
) -> None:
    checks["queue posts"] = lambda: None
    assert get(server, "/readyz") == (200, "text/plain; charset=utf-8", "ready\n")


def test_each_reason_why_it_is_not_ready_has_a_line(
    server: TelemetryServer, checks: dict[str, Callable[[], str | None]]
) -> None:
    checks["queue posts"] = lambda: "refused"
    checks["queue alerts"] = lambda: None
    checks["endpoint"] = lambda: "not reached yet"
    status, _content_type, body = get(server, "/readyz")
    assert (status, body) == (503, "queue posts: refused\nendpoint: not reached yet\n")


@pytest.fixture
def fresh(checks: dict[str, Callable[[], str | None]]) -> Iterator[TelemetryServer]:
    """A server that has not been asked yet."""
    server = TelemetryServer("127.0.0.1", 0, CollectorRegistry(), checks)
    yield server
    server.close()


def test_it_has_started_once_nothing_was_missing_and_for_ever(
    fresh: TelemetryServer, checks: dict[str, Callable[[], str | None]]
) -> None:
    checks["queue posts"] = lambda: None
    checks["endpoint"] = lambda: "not reached yet"
    assert get(fresh, "/startupz")[::2] == (503, "endpoint: not reached yet\n")
    checks["endpoint"] = lambda: None
    assert get(fresh, "/startupz")[::2] == (200, "started\n")
    checks["endpoint"] = lambda: "refused"
    assert get(fresh, "/startupz")[::2] == (200, "started\n")
    assert get(fresh, "/readyz")[::2] == (503, "endpoint: refused\n")
    assert get(fresh, "/startupz")[::2] == (200, "started\n")


def test_what_was_fine_at_different_looks_only_is_no_start(
    fresh: TelemetryServer, checks: dict[str, Callable[[], str | None]]
) -> None:
    checks |= {"queue": lambda: None, "endpoint": lambda: "refused"}
    assert get(fresh, "/startupz")[::2] == (503, "endpoint: refused\n")
    checks |= {"queue": lambda: "refused", "endpoint": lambda: None}
    assert get(fresh, "/startupz")[::2] == (503, "queue: refused\n")


def test_a_look_at_readiness_counts_for_the_start_too(
    fresh: TelemetryServer, checks: dict[str, Callable[[], str | None]]
) -> None:
    checks["queue"] = lambda: None
    assert get(fresh, "/readyz")[0] == 200
    checks["queue"] = lambda: "refused"
    assert get(fresh, "/startupz")[0] == 200


def test_a_start_may_have_a_check_of_its_own(checks: dict[str, Callable[[], str | None]]) -> None:
    own: list[str | None] = ["not connected yet"]
    server = TelemetryServer(
        "127.0.0.1", 0, CollectorRegistry(), checks, startup_checks={"stream": lambda: own[0], "queue": lambda: None}
    )
    try:
        checks |= {"stream": lambda: "the budget is spent", "model": lambda: None}
        assert get(server, "/startupz")[::2] == (503, "stream: not connected yet\n")
        own[0] = None
        checks["model"] = lambda: "refused"
        assert get(server, "/startupz")[::2] == (503, "model: refused\n")
        checks["model"] = lambda: None
        assert get(server, "/readyz")[::2] == (503, "stream: the budget is spent\n")
        assert get(server, "/startupz")[::2] == (200, "started\n")
        own[0] = "lost"
        assert get(server, "/startupz")[::2] == (200, "started\n")
        assert get(server, "/readyz")[::2] == (503, "stream: the budget is spent\n")
    finally:
        server.close()


def test_another_servers_start_does_not_count(server: TelemetryServer, fresh: TelemetryServer) -> None:
    assert get(server, "/startupz")[0] == 200
    CHECKS["queue"] = lambda: "refused"
    assert get(fresh, "/startupz")[0] == 503


STUCK = "worker-1: no sign of life for 134 s (limit 120 s)"


@pytest.fixture
def stuck() -> list[str]:
    return []


@pytest.fixture
def watched(checks: dict[str, Callable[[], str | None]], stuck: list[str]) -> Iterator[TelemetryServer]:
    server = TelemetryServer("127.0.0.1", 0, CollectorRegistry(), checks, lambda: list(stuck))
    yield server
    server.close()


def test_a_thread_that_is_stuck_is_named_on_each_path_until_it_moves(
    watched: TelemetryServer, checks: dict[str, Callable[[], str | None]], stuck: list[str]
) -> None:
    assert get(watched, "/startupz")[::2] == (200, "started\n")
    stuck.append(STUCK)
    checks["queue"] = lambda: "refused"
    assert get(watched, "/healthz")[::2] == (503, f"{STUCK}\n")
    assert get(watched, "/readyz")[::2] == (503, f"{STUCK}\nqueue: refused\n")
    # once started, this is what a service is replaced by: not for a queue that is away, only for a thread that hangs
    assert get(watched, "/startupz")[::2] == (503, f"{STUCK}\n")
    stuck.append("worker-2: no sign of life for 121 s (limit 120 s)")
    assert get(watched, "/healthz")[2].splitlines() == stuck
    stuck.clear()
    assert get(watched, "/healthz")[::2] == (200, "ok\n")
    assert get(watched, "/startupz")[::2] == (200, "started\n")


def test_a_thread_that_is_stuck_before_the_start_is_over_is_named_too(
    watched: TelemetryServer, checks: dict[str, Callable[[], str | None]], stuck: list[str]
) -> None:
    checks["queue"] = lambda: "refused"
    stuck.append(STUCK)
    assert get(watched, "/startupz")[::2] == (503, f"{STUCK}\nqueue: refused\n")


def test_any_other_path_is_not_found(server: TelemetryServer) -> None:
    assert get(server, "/")[0] == 404
    assert get(server, "/metrics/")[::2] == (404, "expected /metrics, /healthz, /readyz or /startupz\n")


def test_a_port_in_use_is_a_mistake_of_the_user() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UserMistake) as caught:
            TelemetryServer("127.0.0.1", port, CollectorRegistry(), {})
    assert str(caught.value) == (
        f"environment: TELEMETRY_PORT: expected a free port on 127.0.0.1, got {port} "
        "([Errno 98] Address already in use)"
    )


def test_after_close_nobody_listens(server: TelemetryServer) -> None:
    other = TelemetryServer("127.0.0.1", 0, CollectorRegistry(), {})
    other.close()
    with pytest.raises(ConnectionRefusedError):
        get(other, "/healthz")
