"""X's stream as the source of posts, against a server that misbehaves in every way that has been seen."""

import gzip
import json
import logging
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from prometheus_client import CollectorRegistry

from pipeline.errors import UserMistake
from pipeline.logs import OccasionalLog
from stream_getter.metrics import Metrics
from stream_getter.x import stream as x_stream
from stream_getter.x.api import XApi
from stream_getter.x.connections import StaleConnections
from stream_getter.x.reconnect import HELD_SECONDS, ReconnectPolicy
from stream_getter.x.spend import NoBudget
from stream_getter.x.stream import LINE_LIMIT, XStream
from tests.support.misbehaving_server import (
    Answer,
    MisbehavingServer,
    after,
    end,
    json_line,
    raw,
    reset,
    respond,
    silence,
    slowly,
    stream,
)
from tests.support.polling import wait_until
from tests.support.recorded_stop import RecordedStop
from tests.support.recording_log import RecordingLog, record_log

TOKEN = "token-that-nobody-may-see"
NOW = datetime(2026, 11, 20, 8, 15, 10, tzinfo=UTC)
SECONDS = 20.0

AT_ONCE_THEN_A_LITTLE = [0.0, 0.25]
HTTP_ERROR = [5.0, 10.0]
RATE_LIMIT = [60.0, 120.0]

TOO_MANY_CONNECTIONS = json.dumps(
    {
        "title": "ConnectionException",
        "detail": "This stream is currently at the maximum allowed connection limit.",
        "connection_issue": "TooManyConnections",
        "type": "https://api.x.com/2/problems/streaming-connection",
    }
).encode()


def post_line(id_: int, text: str = "hello", **beside: Any) -> bytes:
    return json_line(data={"id": str(id_), "text": text}, **beside)


@dataclass
class Reader:
    """A stream under test and everything that can be seen of it."""

    stream: XStream
    stopping: RecordedStop
    registry: CollectorRegistry
    logged: RecordingLog
    received: list[str] = field(default_factory=list)

    def read(self) -> list[str]:
        """Until the stream stops; the ids of the posts."""
        for post, _ in self.stream.arrivals():
            self.received.append(post.id)
        return self.received

    def count(self, metric: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"stream_getter_{metric}", labels) or 0.0

    @property
    def reasons(self) -> list[str]:
        return [str(values["reason"]) for _, event, values in self.logged.lines if event.startswith("stream lost")]


NewReader = Callable[..., Reader]


@pytest.fixture
def new_reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[NewReader]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    logged = record_log(monkeypatch, x_stream)
    sessions: list[requests.Session] = []

    def new(
        url: str,
        ends_after: int = 1,
        stall_seconds: float = SECONDS,
        backfill_minutes: int = 0,
        clock: Callable[[], float] = lambda: 0.0,
        *,
        resets: bool = False,
        token: str = TOKEN,
    ) -> Reader:
        registry = CollectorRegistry()
        stopping = RecordedStop(ends_after)
        sessions.append(requests.Session())
        api = XApi(sessions[-1], url, token)
        metrics = Metrics(registry)
        source = XStream(
            api,
            stall_seconds,
            metrics,
            ReconnectPolicy(),
            stopping,
            now=lambda: NOW,
            new_trace_id=lambda: "trace-1",
            occasionally=OccasionalLog(),
            guard=NoBudget(),
            backfill_minutes=backfill_minutes,
            stale=StaleConnections(api, metrics, clock) if resets else None,
            clock=clock,
        )
        return Reader(source, stopping, registry, logged)

    yield new
    for session in sessions:
        session.close()


def in_thread(read: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def test_it_asks_for_every_field_that_a_post_is_made_of(new_reader: NewReader) -> None:
    with MisbehavingServer(stream(post_line(1), end)) as server:
        assert new_reader(server.url).read() == ["x:1"]
    (request,) = server.requests
    assert request.startswith("GET /2/tweets/search/stream?")
    for wanted in ("note_tweet", "referenced_tweets.id", "created_at", "public_metrics", "entities"):
        assert wanted in request
    assert f"\r\nAuthorization: Bearer {TOKEN}\r\n" in request


def test_it_asks_for_what_was_missed_only_where_that_is_set(new_reader: NewReader) -> None:
    with MisbehavingServer(stream(end)) as server:
        new_reader(server.url).read()
        new_reader(server.url, backfill_minutes=5).read()
    without, with_it = server.requests
    assert "backfill_minutes" not in without
    assert "&backfill_minutes=5 HTTP" in with_it


def test_a_netrc_file_does_not_take_the_tokens_place(
    new_reader: NewReader, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with MisbehavingServer(stream(end)) as server:
        new_reader(server.url).read()
    assert f"\r\nAuthorization: Bearer {TOKEN}\r\n" in server.requests[0]


@pytest.mark.parametrize(
    "pieces",
    [
        [post_line(1) + post_line(2) + post_line(3)],
        [post_line(1)[:7], post_line(1)[7:] + post_line(2)[:-1], b"\n", post_line(3)],
        [b"\r\n", post_line(1), b"\r\n", b"\r\n", post_line(2), post_line(3), b"\r\n"],
        [slowly(post_line(1) + b"\r\n" + post_line(2) + post_line(3))],
    ],
    ids=["one chunk", "cut anywhere", "keep-alives", "byte by byte"],
)
def test_posts_are_read_however_the_stream_is_cut(new_reader: NewReader, pieces: list[Any]) -> None:
    with MisbehavingServer(stream(*pieces, end)) as server:
        reader = new_reader(server.url)
        assert reader.read() == ["x:1", "x:2", "x:3"]


def test_a_compressed_stream_is_read_as_it_comes(new_reader: NewReader) -> None:
    packer = zlib.compressobj(wbits=31)
    first = packer.compress(post_line(1)) + packer.flush(zlib.Z_SYNC_FLUSH)
    second = packer.compress(post_line(2)) + packer.flush(zlib.Z_SYNC_FLUSH)
    seen = threading.Event()
    # the header of the compressed form alone, which decodes to nothing: not the end of the stream
    answer = stream(first[:10], first[10:], after(seen), second, end, headers={"Content-Encoding": "gzip"})
    with MisbehavingServer(answer) as server:
        reader = new_reader(server.url)
        posts = reader.stream.arrivals()
        assert next(posts).post.id == "x:1"
        seen.set()
        assert [post.id for post, _ in posts] == ["x:2"]


def test_a_line_of_two_megabytes_is_read(new_reader: NewReader) -> None:
    with MisbehavingServer(stream(post_line(1, new_field="n" * 2_000_000), end)) as server:
        assert new_reader(server.url).read() == ["x:1"]


def test_a_line_that_is_too_long_is_counted_and_the_next_one_is_read(new_reader: NewReader) -> None:
    long = post_line(1, text="n" * (LINE_LIMIT + 100_000))
    pieces = [long[start : start + 500_000] for start in range(0, len(long), 500_000)]
    with MisbehavingServer(stream(*pieces, post_line(2), end)) as server:
        reader = new_reader(server.url)
        assert reader.read() == ["x:2"]
    assert reader.count("lines_refused_total", reason="too long") == 1


def test_lines_without_a_post_are_counted_and_told_without_their_text(new_reader: NewReader) -> None:
    disconnect = json_line(errors=[{"title": "operational-disconnect", "detail": "the stream has been disconnected"}])
    with MisbehavingServer(stream(disconnect, b'{"secret words\r\n', post_line(1), end)) as server:
        reader = new_reader(server.url)
        assert reader.read() == ["x:1"]
    assert reader.count("lines_refused_total", reason="error message") == 1
    assert reader.count("lines_refused_total", reason="not JSON") == 1
    assert reader.logged.events.count("a line of the stream holds no post") == 2
    assert "operational-disconnect: the stream has been disconnected" in str(reader.logged.lines)
    assert "secret words" not in str(reader.logged.lines)


def disconnect_line(detail: str = "try again") -> bytes:
    return json_line(
        errors=[
            {
                "title": "operational-disconnect",
                "disconnect_type": "UpstreamOperationalDisconnect",
                "detail": detail,
                "type": "https://api.x.com/2/problems/operational-disconnect",
            }
        ]
    )


@pytest.mark.parametrize("fault", [end, reset], ids=["clean end", "reset"])
def test_a_disconnect_that_x_announces_is_the_reason(new_reader: NewReader, fault: Answer) -> None:
    with MisbehavingServer(stream(post_line(1), disconnect_line(), fault), stream(end)) as server:
        reader = new_reader(server.url, ends_after=2)
        reader.read()
    # a reset may overtake what was sent before it
    announced = "operational-disconnect: UpstreamOperationalDisconnect: try again"
    if fault is end or reader.count("lines_refused_total", reason="error message"):
        assert reader.reasons == [announced, "ended by the server"]
        assert reader.count("reconnects_total", reason="operational-disconnect") == 1


def test_a_post_with_errors_beside_it_is_kept_and_counted(new_reader: NewReader) -> None:
    beside = post_line(1, errors=[{"title": "Not Found Error", "resource_type": "user"}])
    changed = json_line(data={"id": "2", "text": "hello", "lang": 7})
    with MisbehavingServer(stream(beside, changed, post_line(3), end)) as server:
        reader = new_reader(server.url)
        assert reader.read() == ["x:1", "x:2", "x:3"]
    assert reader.count("posts_incomplete_total", reason="errors beside it") == 1
    assert reader.count("posts_incomplete_total", reason="unreadable fields") == 1


def test_kinds_of_messages_are_counted_apart(new_reader: NewReader) -> None:
    lines = [b'{"delete": {"id": "1"}}\r\n', b'{"system": {}}\r\n', b'{"data": {"id": "5"}}\r\n']
    with MisbehavingServer(stream(*lines, end)) as server:
        reader = new_reader(server.url)
        assert reader.read() == []
    assert reader.count("lines_refused_total", reason="unknown message") == 2
    assert reader.count("lines_refused_total", reason="no id or text") == 1


def test_a_line_that_the_end_of_the_stream_cuts_off_is_counted(new_reader: NewReader) -> None:
    with MisbehavingServer(stream(post_line(1), post_line(2)[:20], end)) as server:
        reader = new_reader(server.url)
        assert reader.read() == ["x:1"]
    assert reader.count("lines_refused_total", reason="cut off") == 1


def reset_time(seconds: float) -> dict[str, str]:
    return {"x-rate-limit-reset": str(int(NOW.timestamp() + seconds))}


@pytest.mark.parametrize(
    ("answer", "waits", "reason"),
    [
        pytest.param(stream(end), AT_ONCE_THEN_A_LITTLE, "ended by the server", id="clean end"),
        pytest.param(stream(b"\r\n"), AT_ONCE_THEN_A_LITTLE, "ProtocolError", id="cut"),
        pytest.param(stream(b"\r\n", reset), AT_ONCE_THEN_A_LITTLE, "ProtocolError", id="reset while reading"),
        pytest.param(reset, AT_ONCE_THEN_A_LITTLE, "ConnectionError", id="reset before the answer"),
        pytest.param(raw(b""), AT_ONCE_THEN_A_LITTLE, "ConnectionError", id="closed before the answer"),
        pytest.param(raw(b"SSH-2.0-x\r\n\r\n"), AT_ONCE_THEN_A_LITTLE, "ConnectionError", id="not HTTP"),
        pytest.param(
            stream(b"no gzip", headers={"Content-Encoding": "gzip"}), AT_ONCE_THEN_A_LITTLE, "DecodeError", id="no gzip"
        ),
        pytest.param(respond("503 Service Unavailable", b"try\nlater"), HTTP_ERROR, "HTTP 503", id="503"),
        pytest.param(respond("401 Unauthorized", b"Unauthorized"), HTTP_ERROR, "HTTP 401", id="401"),
        pytest.param(respond("403 Forbidden"), HTTP_ERROR, "HTTP 403", id="403"),
        pytest.param(respond("204 No Content"), HTTP_ERROR, "HTTP 204", id="204"),
        pytest.param(
            raw(b"HTTP/1.1 503 Busy\r\nContent-Length: 50\r\n\r\nhalf"),
            HTTP_ERROR,
            "HTTP 503",
            id="503 that breaks off",
        ),
        pytest.param(respond("429 Too Many Requests", b"{}"), RATE_LIMIT, "HTTP 429", id="429"),
        pytest.param(
            respond("429 Too Many Requests", b"{}", reset_time(700)), [700.0, 700.0], "HTTP 429", id="429 until a time"
        ),
        pytest.param(
            respond("429 Too Many Requests", b"{}", reset_time(-5)), RATE_LIMIT, "HTTP 429", id="429 until the past"
        ),
        pytest.param(
            respond("429 Too Many Requests", b"{}", {"x-rate-limit-reset": "soon"}),
            RATE_LIMIT,
            "HTTP 429",
            id="429 soon",
        ),
        pytest.param(
            respond("429 Too Many Requests", TOO_MANY_CONNECTIONS, reset_time(700)),
            HTTP_ERROR,
            "too many connections",
            id="429 for too many connections",
        ),
        pytest.param(
            # longer than what is told of it, and the deciding field comes last
            respond("429 Too Many Requests", b'{"new": "%s", %s' % (b"n" * 9000, TOO_MANY_CONNECTIONS[1:])),
            HTTP_ERROR,
            "too many connections",
            id="429 for too many connections in many words",
        ),
        pytest.param(
            respond("429 Too Many Requests", b'{"errors": [%s]}' % TOO_MANY_CONNECTIONS),
            HTTP_ERROR,
            "too many connections",
            id="429 for too many connections in a list",
        ),
        pytest.param(
            respond("429 Too Many Requests", b'{"detail": "TooManyConnections is not meant"}'),
            RATE_LIMIT,
            "HTTP 429",
            id="429 that only mentions them",
        ),
        pytest.param(
            respond("200 OK", b"<html>log in first</html>", {"Content-Type": "text/html; charset=utf-8"}),
            HTTP_ERROR,
            "not a stream",
            id="a page with status 200",
        ),
    ],
)
def test_each_fault_has_its_wait_and_its_reason(
    new_reader: NewReader, answer: Answer, waits: list[float], reason: str
) -> None:
    with MisbehavingServer(answer) as server:
        reader = new_reader(server.url, ends_after=2)
        assert reader.read() == []
    assert reader.stopping.waits == waits
    assert reader.count("reconnects_total", reason=reason) == 2
    assert [text.partition(":")[0] for text in reader.reasons] == [reason, reason]
    assert reader.stream.trouble() == reader.reasons[-1]


def test_nobody_listens(new_reader: NewReader) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    reader = new_reader(f"http://127.0.0.1:{port}", ends_after=2)
    assert reader.read() == []
    assert reader.stopping.waits == AT_ONCE_THEN_A_LITTLE
    assert reader.reasons[0].startswith("ConnectionError: ")
    assert "refused" in reader.reasons[0]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(stream(b"\r\n", silence), "ReadTimeoutError"), (silence, "ReadTimeout")],
    ids=["on the stream", "before the answer"],
)
def test_a_stall_counts_as_a_broken_connection(new_reader: NewReader, answer: Answer, reason: str) -> None:
    with MisbehavingServer(answer) as server:
        reader = new_reader(server.url, stall_seconds=0.2)
        assert reader.read() == []
    assert reader.stopping.waits == [0.0]
    assert reader.count("reconnects_total", reason=reason) == 1


def test_what_the_server_said_is_one_short_line_of_harmless_characters(new_reader: NewReader) -> None:
    body = b"a\nb\r\n" + b"\x1b[31m" + b"c" * 3_000_000
    with MisbehavingServer(respond("503 Service Unavailable", body)) as server:
        reader = new_reader(server.url)
        reader.read()
    (reason,) = reader.reasons
    assert reason.startswith("HTTP 503: a b \ufffd[31mccc")
    assert len(reason) < 320


def test_waits_start_over_after_a_delivery(new_reader: NewReader) -> None:
    busy = respond("503 Service Unavailable")
    with MisbehavingServer(busy, busy, stream(post_line(1), end), busy) as server:
        reader = new_reader(server.url, ends_after=4)
        assert reader.read() == ["x:1"]
    assert reader.stopping.waits == [5.0, 10.0, 0.0, 5.0]


def test_a_server_that_sends_a_post_and_hangs_up_is_not_asked_in_a_tight_loop(new_reader: NewReader) -> None:
    with MisbehavingServer(stream(post_line(1), end)) as server:
        reader = new_reader(server.url, ends_after=4)
        reader.read()
    assert reader.stopping.waits == [0.0, 0.25, 0.5, 0.75]


def test_a_connection_that_held_makes_the_next_trouble_a_new_one(new_reader: NewReader) -> None:
    now = iter([0.0, 1.0, 10.0, 10.0 + HELD_SECONDS, 40.0, 41.0])
    with MisbehavingServer(stream(post_line(1), end)) as server:
        reader = new_reader(server.url, ends_after=3, clock=lambda: next(now))
        reader.read()
    # the second has held, by the time at which its post came
    assert reader.stopping.waits == [0.0, 0.0, 0.25]


def test_an_error_on_the_stream_is_no_delivery(new_reader: NewReader) -> None:
    disconnect = json_line(errors=[{"title": "operational-disconnect"}])
    with MisbehavingServer(stream(disconnect, end)) as server:
        reader = new_reader(server.url, ends_after=3)
        reader.read()
    assert reader.stopping.waits == [0.0, 0.25, 0.5]


def test_a_quiet_stream_that_held_makes_the_next_trouble_a_new_one(new_reader: NewReader) -> None:
    busy = respond("503 Service Unavailable", b"busy")
    with MisbehavingServer(busy, stream(b"\r\n", b"\r\n", end), busy) as server:
        reader = new_reader(server.url, ends_after=3)
        assert reader.read() == []
    assert reader.stopping.waits == [5.0, 0.0, 5.0]


@pytest.mark.parametrize("status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect"])
def test_the_token_is_not_carried_after_a_redirect(new_reader: NewReader, status: str) -> None:
    with MisbehavingServer(stream(post_line(1), end)) as elsewhere:
        redirect = respond(status, headers={"Location": elsewhere.url + "/2/tweets/search/stream"})
        with MisbehavingServer(redirect) as server:
            reader = new_reader(server.url, ends_after=2)
            assert reader.read() == []
        assert elsewhere.requests == []
    assert len(server.requests) == 2
    assert reader.stopping.waits == HTTP_ERROR


@pytest.mark.parametrize("place", [b"http://[", b"\xff\xfe/\x80", b"//user@:99999999/", b""])
def test_a_redirect_to_nowhere_is_an_error_as_any_other(new_reader: NewReader, place: bytes) -> None:
    answer = raw(b"HTTP/1.1 302 Found\r\nLocation: " + place + b"\r\nContent-Length: 2\r\n\r\nno")
    with MisbehavingServer(answer) as server:
        reader = new_reader(server.url, ends_after=2)
        reader.read()
    assert reader.stopping.waits == HTTP_ERROR
    assert reader.reasons == ["HTTP 302: no"] * 2


def test_a_redirect_with_a_body_without_end_is_not_read_whole(new_reader: NewReader) -> None:
    sent = 0

    def without_end(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n")
        for _ in range(20 * 16):  # of 64 KiB
            connection.sendall(b"x" * 65536)
            sent += 65536
        silence(connection)

    with MisbehavingServer(without_end) as server:
        reader = new_reader(server.url)
        reader.read()
    assert reader.reasons == ["HTTP 302: " + "x" * 300]
    assert sent < 20 * 1024 * 1024


@pytest.mark.parametrize(
    "status_line",
    [b"\x1b[31mred\x1b]0;title\x07 \r line\xc2\x85two " + b"y" * 60_000, b"y" * 290 + TOKEN.encode() + b"z" * 60_000],
)
def test_a_network_errors_words_are_one_short_line_of_harmless_characters(
    new_reader: NewReader, status_line: bytes
) -> None:
    with MisbehavingServer(raw(status_line + b"\r\n\r\n")) as server:
        reader = new_reader(server.url)
        reader.read()
    (reason,) = reader.reasons
    assert reason == reader.stream.trouble()
    assert reason.startswith("ConnectionError: ")
    assert reason.isprintable()
    assert len(reason) < 400
    assert TOKEN[:9] not in reason


@pytest.mark.parametrize("fault", [reset, end, lambda _connection: None], ids=["reset", "clean end", "cut"])
def test_posts_before_a_fault_are_kept_and_reading_goes_on_after_it(new_reader: NewReader, fault: Answer) -> None:
    seen = threading.Event()
    first = stream(post_line(1), post_line(2), post_line(3)[:20], after(seen, fault))
    with MisbehavingServer(first, stream(post_line(4), end)) as server:
        reader = new_reader(server.url, ends_after=2)
        posts = reader.stream.arrivals()
        assert [next(posts).post.id, next(posts).post.id] == ["x:1", "x:2"]
        seen.set()
        assert [post.id for post, _ in posts] == ["x:4"]


@pytest.mark.parametrize(
    "answer",
    [
        stream(post_line(1), end),
        stream(b"\r\n", reset),
        respond("401 Unauthorized", b"bad token"),
        respond("429 Too Many Requests", b"{}", reset_time(700)),
        raw(b"not HTTP at all\r\n\r\n"),
    ],
    ids=["stream", "reset", "401", "429", "no HTTP"],
)
def test_the_token_is_never_told(new_reader: NewReader, answer: Answer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with MisbehavingServer(answer) as server:
        reader = new_reader(server.url)
        reader.read()
        assert TOKEN in server.requests[0]
    assert reader.logged.lines
    assert TOKEN not in str(reader.logged.lines)
    assert TOKEN not in caplog.text
    assert TOKEN not in str(reader.stream.trouble())
    assert TOKEN not in str([metric.samples for metric in reader.registry.collect()])


@pytest.mark.parametrize(
    "answer",
    [
        respond("403 Forbidden", f"you sent {TOKEN}".encode()),
        respond("403 Forbidden", f"{'.' * 290}{TOKEN}".encode()),
        respond("200 OK", b"", {"Content-Type": f"text/{TOKEN}"}),
        stream(disconnect_line(f"closed for {TOKEN}"), end),
    ],
    ids=["body", "cut", "header", "stream"],
)
def test_the_token_is_not_told_even_where_a_server_sends_it_back(new_reader: NewReader, answer: Answer) -> None:
    with MisbehavingServer(answer) as server:
        reader = new_reader(server.url)
        reader.read()
    assert "(the toke" in str(reader.logged.lines)
    assert TOKEN[:6] not in str(reader.logged.lines)
    assert TOKEN[:6] not in str(reader.stream.trouble())


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("401 Unauthorized", "HTTP 401: X does not accept the token in X_BEARER_TOKEN: Unauthorized"),
        ("403 Forbidden", "HTTP 403: the token's project may not read the filtered stream: Unauthorized"),
    ],
)
def test_a_refusal_says_what_to_do_about_it(new_reader: NewReader, status: str, says: str) -> None:
    body = b'{"title": "Unauthorized", "type": "about:blank", "status": 401, "detail": "Unauthorized"}'
    with MisbehavingServer(respond(status, body)) as server:
        reader = new_reader(server.url, ends_after=2)
        reader.read()
    assert reader.stream.trouble() == says
    assert reader.stopping.waits == HTTP_ERROR


@pytest.mark.parametrize("token", ["abc\n", "abc def", "abc\u201d", "abc\x00"], ids=["line end", "blank", "quote", "0"])
def test_a_token_that_no_header_can_hold_is_a_mistake_that_is_named_without_it(token: str) -> None:
    with pytest.raises(UserMistake, match=r"^environment: X_BEARER_TOKEN: expected [^\n]+$") as caught:
        XApi(requests.Session(), "http://127.0.0.1", token)
    assert "abc" not in str(caught.value)


def test_a_token_that_is_a_part_of_our_own_words_leaves_them_as_they_are(new_reader: NewReader) -> None:
    with MisbehavingServer(stream(end)) as server:
        reader = new_reader(server.url, token="server")
        reader.read()
    assert reader.stream.trouble() == "ended by the server"
    assert reader.count("reconnects_total", reason="ended by the server") == 1


def test_it_is_ready_only_while_connected(new_reader: NewReader) -> None:
    with MisbehavingServer(stream(post_line(1), end)) as server:
        reader = new_reader(server.url)
        assert reader.stream.trouble() == "not connected yet"
        posts = reader.stream.arrivals()
        next(posts)
        assert reader.stream.trouble() is None
        assert reader.count("stream_up") == 1
        assert list(posts) == []
    assert reader.stream.trouble() == "ended by the server"
    assert reader.count("stream_up") == 0


def test_a_stop_ends_a_read_that_waits(new_reader: NewReader) -> None:
    with MisbehavingServer(stream(post_line(1), silence)) as server:
        reader = new_reader(server.url, stall_seconds=600)
        thread = in_thread(reader.read)
        wait_until(lambda: reader.received, "the first post", SECONDS)
        reader.stopping.set()
        reader.stream.stop()
        thread.join(SECONDS)
        assert not thread.is_alive()
    assert reader.received == ["x:1"]
    assert reader.stopping.waits == []


def test_a_stop_ends_the_wait_for_an_answer(new_reader: NewReader) -> None:
    with MisbehavingServer(silence) as server:
        reader = new_reader(server.url)
        thread = in_thread(reader.read)
        server.wait_for_requests(1)
        reader.stopping.set()
        reader.stream.stop()
        thread.join(SECONDS / 2)
        assert not thread.is_alive()
    assert reader.reasons == []


def test_a_stop_while_connecting_ends_it_and_a_late_answer_is_closed(new_reader: NewReader) -> None:
    go_on, closed = threading.Event(), threading.Event()

    def late(connection: socket.socket) -> None:
        stream(post_line(1))(connection)
        try:
            silence(connection)
        finally:
            closed.set()

    with MisbehavingServer(after(go_on, late)) as server:
        reader = new_reader(server.url)
        thread = in_thread(reader.read)
        server.wait_for_requests(1)
        reader.stopping.set()
        reader.stream.stop()
        thread.join(SECONDS / 2)
        assert not thread.is_alive()
        go_on.set()
        assert closed.wait(SECONDS)
    assert reader.received == []


def test_a_stop_while_posts_of_a_stream_that_has_ended_are_in_hand(new_reader: NewReader) -> None:
    with MisbehavingServer(stream(post_line(1) + post_line(2), end)) as server:
        reader = new_reader(server.url)
        posts = reader.stream.arrivals()
        first = next(posts)
        reader.stopping.set()
        reader.stream.stop()
        assert [post.id for post, _ in [first, *posts]] == ["x:1", "x:2"]


def test_a_stop_while_posts_of_an_answer_that_was_read_to_its_end_are_in_hand(new_reader: NewReader) -> None:
    body = post_line(1) + post_line(2)
    whole = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with MisbehavingServer(raw(whole)) as server:
        reader = new_reader(server.url)
        posts = reader.stream.arrivals()
        first = next(posts)
        reader.stopping.set()
        reader.stream.stop()
        assert [post.id for post, _ in [first, *posts]] == ["x:1", "x:2"]


def test_a_stop_between_connections_asks_no_more(new_reader: NewReader) -> None:
    with MisbehavingServer(stream(end)) as server:
        reader = new_reader(server.url)
        reader.read()
        reader.stream.stop()
        assert reader.read() == []
    assert len(server.requests) == 1


def test_an_answer_in_gzip_to_an_error_is_readable(new_reader: NewReader) -> None:
    answer = respond("503 Service Unavailable", gzip.compress(b"try later"), {"Content-Encoding": "gzip"})
    with MisbehavingServer(answer) as server:
        reader = new_reader(server.url)
        reader.read()
    assert reader.reasons == ["HTTP 503: try later"]
