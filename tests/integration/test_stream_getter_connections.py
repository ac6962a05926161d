"""How the reader of X's stream comes by its connections: names, certificates, and slots that X counts as taken."""

import json
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
import trustme
from prometheus_client import CollectorRegistry

from pipeline.errors import UserMistake
from pipeline.logs import OccasionalLog
from pipeline.settings import read_settings
from stream_getter import __version__
from stream_getter.metrics import Metrics
from stream_getter.x import connections, stream
from stream_getter.x.api import XApi
from stream_getter.x.connections import PATIENCE, PAUSE_SECONDS, StaleConnections, stale_connections
from stream_getter.x.reconnect import ReconnectPolicy
from stream_getter.x.settings import XSettings
from stream_getter.x.spend import NoBudget
from stream_getter.x.stream import XStream
from tests.support.misbehaving_server import Answer, MisbehavingServer, end, json_line, raw, reset, respond
from tests.support.misbehaving_server import stream as streamed
from tests.support.recorded_stop import RecordedStop
from tests.support.recording_log import RecordingLog, record_log

TOKEN = "token-that-nobody-may-see"
NOW = datetime(2026, 11, 20, 8, 15, 10, tzinfo=UTC)

TOO_MANY = respond(
    "429 Too Many Requests",
    json.dumps({"title": "ConnectionException", "connection_issue": "TooManyConnections"}).encode(),
)
OPEN = respond("200 OK", b'{"data": [{"id": "1", "endpoint_name": "filtered_stream"}], "meta": {"result_count": 1}}')
NONE_OPEN = respond("200 OK", b'{"data": [{"id": "1", "disconnected_at": "2026-11-20T08:00:00Z"}]}')
ENDED = respond("200 OK", b'{"data": {"successful_kills": 1, "failed_kills": 0}}')
POST = streamed(json_line(data={"id": "1", "text": "hello"}), end)


class Reader(NamedTuple):
    source: XStream
    stopping: RecordedStop
    registry: CollectorRegistry

    def read(self) -> list[str]:
        return [post.id for post, _ in self.source.arrivals()]

    def resets(self, result: str) -> float:
        return self.registry.get_sample_value("stream_getter_connection_resets_total", {"result": result}) or 0.0


NewReader = Callable[..., Reader]


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    return record_log(monkeypatch, stream, connections)


@pytest.fixture
def new_reader(monkeypatch: pytest.MonkeyPatch, logged: RecordingLog) -> Iterator[NewReader]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,x.test")
    sessions: list[requests.Session] = []

    def new(url: str, ends_after: int = 1, clock: Callable[[], float] = lambda: 0.0, *, resets: bool = True) -> Reader:
        registry = CollectorRegistry()
        stopping = RecordedStop(ends_after)
        sessions.append(requests.Session())
        metrics, api = Metrics(registry), XApi(sessions[-1], url, TOKEN)
        source = XStream(
            api,
            20.0,
            metrics,
            ReconnectPolicy(),
            stopping,
            now=lambda: NOW,
            new_trace_id=lambda: "trace-1",
            occasionally=OccasionalLog(),
            guard=NoBudget(),
            stale=StaleConnections(api, metrics, clock) if resets else None,
            clock=clock,
        )
        return Reader(source, stopping, registry)

    yield new
    for session in sessions:
        session.close()


def asked(server: MisbehavingServer) -> list[str]:
    """Method and path of each request."""
    return [" ".join(head.split(" ", 2)[:2]).partition("?")[0] for head in server.requests]


STREAM, LIST, RESET = "GET /2/tweets/search/stream", "GET /2/connections", "DELETE /2/connections/all"


def test_stale_connections_are_ended_once_too_many_were_reported_for_a_while(
    new_reader: NewReader, logged: RecordingLog
) -> None:
    with MisbehavingServer(TOO_MANY, TOO_MANY, TOO_MANY, OPEN, ENDED, POST) as server:
        reader = new_reader(server.url, ends_after=PATIENCE + 1)
        assert reader.read() == ["x:1"]
    assert asked(server) == [STREAM, STREAM, STREAM, LIST, RESET, STREAM]
    assert reader.stopping.waits == [5.0, 10.0, 5.0, 0.0]
    assert reader.resets("ended") == 1
    assert ("warning", "ended all connections that X counted for this app", {"connections": 1}) in logged.lines
    assert all(f"\r\nAuthorization: Bearer {TOKEN}\r\n" in head for head in server.requests)
    assert TOKEN not in str(logged.lines)


def test_stale_connections_are_not_ended_twice_within_some_minutes(new_reader: NewReader) -> None:
    now = 0.0

    def clock() -> float:
        return now

    with MisbehavingServer(*[TOO_MANY] * 3, OPEN, ENDED, *[TOO_MANY] * 3, OPEN, ENDED, POST) as server:
        reader = new_reader(server.url, ends_after=5, clock=clock)
        reader.read()
        assert asked(server).count(RESET) == 1
        reader.stopping.clear()
        now = PAUSE_SECONDS
        assert reader.read() == []
    assert asked(server).count(RESET) == 2


def test_a_stop_after_the_connections_were_listed_ends_none(new_reader: NewReader) -> None:
    def listed(connection: socket.socket) -> None:
        reader.stopping.set()
        OPEN(connection)

    with MisbehavingServer(*[TOO_MANY] * 3, listed, ENDED, POST) as server:
        reader = new_reader(server.url, ends_after=PATIENCE + 1)
        assert reader.read() == []
    assert asked(server) == [STREAM, STREAM, STREAM, LIST]
    assert reader.resets("failed") == reader.resets("ended") == 0


def test_what_a_server_says_in_an_error_is_told_harmlessly(new_reader: NewReader, logged: RecordingLog) -> None:
    hostile = raw(b"\x1b[31mred \r line " + TOKEN.encode() + b"y" * 60_000 + b"\r\n\r\n")
    with MisbehavingServer(*[TOO_MANY] * 3, hostile) as server:
        new_reader(server.url, ends_after=PATIENCE).read()
    (reason,) = (str(values["reason"]) for _, event, values in logged.lines if event.startswith("stale connections"))
    assert reason.startswith("ConnectionError: ")
    assert reason.isprintable()
    assert len(reason) < 400
    assert TOKEN not in reason


def test_without_the_setting_no_connection_is_ended(new_reader: NewReader) -> None:
    with MisbehavingServer(TOO_MANY) as server:
        new_reader(server.url, ends_after=6, resets=False).read()
    assert set(asked(server)) == {STREAM}


def test_a_rate_limit_ends_no_connection(new_reader: NewReader) -> None:
    with MisbehavingServer(respond("429 Too Many Requests", b"{}")) as server:
        new_reader(server.url, ends_after=6).read()
    assert set(asked(server)) == {STREAM}


def test_a_connection_that_was_let_in_starts_the_patience_over(new_reader: NewReader) -> None:
    with MisbehavingServer(TOO_MANY, TOO_MANY, POST, TOO_MANY, TOO_MANY, POST) as server:
        new_reader(server.url, ends_after=6).read()
    assert set(asked(server)) == {STREAM}


@pytest.mark.parametrize(
    ("answers", "result", "says"),
    [
        ([NONE_OPEN], "none open", "lists none"),
        ([respond("200 OK", b"{}")], "none open", "lists none"),
        ([respond("403 Forbidden", f"no {TOKEN}".encode())], "failed", "GET /2/connections: HTTP 403"),
        ([respond("200 OK", b"<html>")], "failed", "expected a list of connections"),
        ([reset], "failed", "Connection"),
        ([OPEN, respond("503 Service Unavailable", b"later")], "failed", "DELETE /2/connections/all: HTTP 503"),
        ([OPEN, reset], "failed", "Connection"),
    ],
    ids=["none open", "no list", "refused", "no JSON", "reset", "not ended", "reset while ending"],
)
def test_a_reset_that_does_not_work_is_told_and_the_waits_go_on(
    new_reader: NewReader, logged: RecordingLog, answers: list[Answer], result: str, says: str
) -> None:
    with MisbehavingServer(TOO_MANY, TOO_MANY, TOO_MANY, *answers, TOO_MANY) as server:
        reader = new_reader(server.url, ends_after=4)
        assert reader.read() == []
    assert reader.stopping.waits == [5.0, 10.0, 20.0, 40.0]
    assert reader.resets(result) == 1
    assert says in str(logged.lines)
    assert TOKEN not in str(logged.lines)


def settings(**variables: str) -> XSettings:
    return read_settings(XSettings, {"X_BEARER_TOKEN": "t", **variables})


def stale(**variables: str) -> StaleConnections | None:
    api = XApi(requests.Session(), "http://127.0.0.1", TOKEN)
    return stale_connections(settings(**variables), api, Metrics(CollectorRegistry()))


def test_connections_are_ended_only_where_that_is_asked_for() -> None:
    assert stale() is None
    assert stale(X_RESET_STALE_CONNECTIONS="no", X_READERS="2") is None
    assert stale(X_RESET_STALE_CONNECTIONS="yes") is not None


@pytest.mark.parametrize(
    ("variables", "mistake"),
    [
        ({"X_RESET_STALE_CONNECTIONS": "true"}, "X_RESET_STALE_CONNECTIONS: expected yes or no, got 'true'"),
        ({"X_READERS": "3"}, "X_READERS: expected 1 or 2, got '3'"),
        (
            {"X_RESET_STALE_CONNECTIONS": "yes", "X_READERS": "2"},
            "X_RESET_STALE_CONNECTIONS: expected no with X_READERS=2, where it would end the other reader's connection,"
            " got yes",
        ),
    ],
)
def test_settings_that_cannot_be_are_one_clear_line(variables: dict[str, str], mistake: str) -> None:
    with pytest.raises(UserMistake) as caught:
        stale(**variables)
    assert str(caught.value) == f"environment: {mistake}"


def test_it_says_who_asks(new_reader: NewReader) -> None:
    with MisbehavingServer(POST) as server:
        new_reader(server.url).read()
    assert f"\r\nUser-Agent: tweet-alerts/{__version__}\r\n" in server.requests[0]


def test_each_connection_looks_the_name_up_anew_and_no_socket_is_used_again(
    new_reader: NewReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    # both keep the connection open after a whole answer, as a pool likes it
    kept = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\r\n"
    lookups = []
    really = socket.getaddrinfo

    def first(connection: socket.socket) -> None:
        connection.sendall(kept)
        while connection.recv(4096):
            pass

    with MisbehavingServer(first) as old, MisbehavingServer(POST) as new:
        ports = [int(server.url.rpartition(":")[2]) for server in (old, new)]

        def getaddrinfo(host: Any, port: Any, *rest: Any, **more: Any) -> Any:
            if host == "x.test":
                lookups.append(host)
                host, port = "127.0.0.1", ports[min(len(lookups), 2) - 1]
            return really(host, port, *rest, **more)

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        assert new_reader("http://x.test:80", ends_after=2).read() == ["x:1"]
    assert (len(old.requests), len(new.requests), len(lookups)) == (1, 1, 2)


def test_no_cookie_is_taken_along(new_reader: NewReader) -> None:
    busy = respond("503 Service Unavailable", headers={"Set-Cookie": "lb=1; Path=/"})
    with MisbehavingServer(busy, POST) as server:
        assert new_reader(server.url, ends_after=2).read() == ["x:1"]
    assert "\r\nCookie:" not in server.requests[1]


@pytest.mark.parametrize("media_type", ["application/json", "Application/JSON; charset=utf-8", "application/x-ndjson"])
def test_json_by_any_of_its_names_is_a_stream(new_reader: NewReader, media_type: str) -> None:
    answer = streamed(json_line(data={"id": "1", "text": "hello"}), end, headers={"Content-Type": media_type})
    with MisbehavingServer(answer) as server:
        assert new_reader(server.url).read() == ["x:1"]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"PYTHONHTTPSVERIFY": "0"},
        {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": ""},
        {"REQUESTS_VERIFY": "false", "SSL_VERIFY": "0", "NODE_TLS_REJECT_UNAUTHORIZED": "0"},
    ],
    ids=["as it is", "Python's", "requests' emptied", "others'"],
)
def test_a_certificate_of_nobody_is_refused_and_sees_no_token(
    new_reader: NewReader, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with MisbehavingServer(POST, tls=tls) as server:
        reader = new_reader(server.url, ends_after=2)
        assert reader.read() == []
    assert server.requests == []
    assert "certificate verify failed" in str(reader.source.trouble())
    assert reader.stopping.waits == [0.0, 0.25]


def test_an_authority_of_ones_own_may_be_named(
    new_reader: NewReader, authority: trustme.CA, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    with MisbehavingServer(POST, tls=tls) as server:
        assert new_reader(server.url).read() == ["x:1"]


def test_no_traceback_holds_the_token(new_reader: NewReader, tls: ssl.SSLContext) -> None:
    with MisbehavingServer(POST, tls=tls) as server:
        api = XApi(requests.Session(), server.url, TOKEN)
        with pytest.raises(requests.RequestException) as caught:
            api.ask("GET", "/2/connections")
    seen: list[BaseException] = [caught.value]
    while before := seen[-1].__cause__ or seen[-1].__context__:
        seen.append(before)
    assert all(TOKEN not in f"{error} {error!r} {error.args}" for error in seen)
