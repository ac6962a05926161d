"""The source bluesky against a server that speaks Jetstream's protocol, and misbehaves."""

import random
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from itertools import count
from pathlib import Path
from time import monotonic
from typing import NoReturn

import pytest
import trustme
from prometheus_client import CollectorRegistry

from pipeline.alerts_config import Rule
from pipeline.backoff import Backoff
from pipeline.contracts import Notice, Post, decode_alert_or_notice, decode_post
from pipeline.errors import Unavailable
from pipeline.logs import OccasionalLog
from pipeline.recent_ids import RecentIds
from pipeline.state_file import FileStateStore
from pipeline.state_store import MemoryStateStore, StateStore
from stream_getter.bluesky import stream as bluesky_stream
from stream_getter.bluesky.cursor import KIND, Cursor, SavedCursor
from stream_getter.bluesky.filter import Filter, unknowable
from stream_getter.bluesky.stream import MESSAGE_LIMIT, BlueskyStream
from stream_getter.forwarder import Forwarder
from stream_getter.matching.rules import RuleSet
from stream_getter.metrics import Metrics
from stream_getter.notices import Notices
from tests.support.fake_queue_ends import FakeWriter
from tests.support.jetstream_messages import account, commit, identity, post, rkey, time_us
from tests.support.jetstream_server import (
    Act,
    Fault,
    JetstreamServer,
    Refusal,
    close,
    disconnect,
    send,
    stall,
)
from tests.support.polling import wait_until
from tests.support.recorded_stop import RecordedStop
from tests.support.recording_log import RecordingLog, record_log

NOW = datetime(2026, 11, 20, 8, 15, 3, tzinfo=UTC)
START = time_us(NOW)
SECOND = 1_000_000
SECONDS = 20.0


@dataclass
class Reader:
    """A stream under test and everything that can be seen of it."""

    stream: BlueskyStream
    cursor: Cursor
    stopping: threading.Event
    registry: CollectorRegistry
    logged: RecordingLog
    told: FakeWriter
    received: list[Post] = field(default_factory=list)
    unsettled: list[Callable[[], object]] = field(default_factory=list)

    def read(self, *, settle: bool = True) -> list[str]:
        """Until the stream stops; the texts of the posts."""
        for got, settled in self.stream.arrivals():
            self.received.append(got)
            assert settled is not None
            if settle:
                settled()
            else:
                self.unsettled.append(settled)
        return [got.text for got in self.received]

    def count(self, metric: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"stream_getter_{metric}", labels) or 0.0

    @property
    def reasons(self) -> list[str]:
        return [str(values["reason"]) for _, event, values in self.logged.lines if event.startswith("stream lost")]

    @property
    def notices(self) -> list[Notice]:
        notices = [decode_alert_or_notice(body) for body in self.told.bodies]
        return [notice for notice in notices if isinstance(notice, Notice)]


NewReader = Callable[..., Reader]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def new_reader(monkeypatch: pytest.MonkeyPatch) -> NewReader:
    logged = record_log(monkeypatch, bluesky_stream)

    def new(
        *servers: JetstreamServer,
        ends_after: int | None = 1,
        state: StateStore | None = None,
        words: str = "",
        rules: tuple[Rule, ...] = (),
        stall_seconds: float = SECONDS,
        save_seconds: float = 0.001,
        clock: Callable[[], float] = monotonic,
    ) -> Reader:
        """``ends_after`` so many lost connections; None is only when the test says so."""
        registry = CollectorRegistry()
        stopping = RecordedStop(ends_after) if ends_after else threading.Event()
        cursor = Cursor(state or MemoryStateStore(lambda: NOW), lambda: NOW, clock, 5.0, 60.0, save_seconds)
        told = FakeWriter()
        source = BlueskyStream(
            [server.url for server in servers],
            cursor,
            Filter(RuleSet(rules, "rules", unknowable), words, ""),
            stall_seconds,
            Metrics(registry),
            Backoff(0.001, 0.002, random.Random(1)),
            stopping,
            Notices(told, lambda: NOW),
            OccasionalLog(),
            now=lambda: NOW,
            clock=monotonic,
            new_trace_id=lambda: "trace-1",
        )
        return Reader(source, cursor, stopping, registry, logged, told)

    return new


def posts(number_of: int) -> list[dict[str, object]]:
    return [post(number, START + number * 1000, f"post {number}") for number in range(number_of)]


def texts(*numbers: int) -> list[str]:
    return [f"post {number}" for number in numbers]


def test_posts_arrive_from_the_start_on_and_nothing_else_is_asked_for(new_reader: NewReader) -> None:
    with JetstreamServer(posts(3), [Fault(3, disconnect)]) as server:
        reader = new_reader(server)
        assert reader.read() == texts(0, 1, 2)
    assert server.queries[0]["wantedCollections"] == "app.bsky.feed.post"
    assert server.cursors == [START - 5 * SECOND]
    assert reader.received[0].id == f"bluesky:at://did:plc:eygmaihciaxprqvxpfvl6flk/app.bsky.feed.post/{rkey(0)}"


def test_what_is_no_new_post_is_passed_over_and_counted(new_reader: NewReader) -> None:
    messages = [
        identity(START),
        account(START + 1),
        commit("update", START + 2, rkey(1), record={"text": "edited"}),
        commit("delete", START + 3, rkey(2)),
        {"did": "did:plc:a", "time_us": START + 4, "kind": "sync"},
        post(1, START + 5, "the post"),
        post(2, START + 6, " "),
    ]
    with JetstreamServer(messages, [Fault(7, disconnect)]) as server:
        reader = new_reader(server)
        assert reader.read() == ["the post"]
    for reason in ("identity", "account", "update", "delete", "empty text"):
        assert reader.count("messages_passed_over_total", reason=reason) == 1, reason
    assert reader.count("lines_refused_total", reason="unknown kind") == 1


def test_garbage_is_counted_and_the_stream_goes_on(new_reader: NewReader) -> None:
    garbage = send("ConsumerTooSlow", b"\xff\xfe", "[]", '{"kind":"commit"}', '{"commit":{"record":' + "[" * 50_000)
    with JetstreamServer(posts(2), [Fault(1, garbage, goes_on=True)]) as server:
        reader = new_reader(server, ends_after=None)
        thread = threading.Thread(target=reader.read)
        thread.start()
        try:
            wait_until(lambda: len(reader.received) == 2, "the post after the garbage")
        finally:
            reader.stopping.set()
            thread.join(SECONDS)
    assert len(server.queries) == 1
    assert reader.count("lines_refused_total", reason="not JSON") == 2
    assert reader.count("lines_refused_total", reason="JSON of another shape") == 1
    assert reader.count("lines_refused_total", reason="a message without a time") == 1
    assert reader.count("lines_refused_total", reason="nested too deeply") == 1
    assert refused(reader) == 5


def refused(reader: Reader) -> float:
    name = "stream_getter_lines_refused_total"
    return sum(sample.value for metric in reader.registry.collect() for sample in metric.samples if sample.name == name)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (disconnect, "connection closed: no close frame received or sent"),
        (close(1008, "too slow"), "connection closed: received 1008 (policy violation) too slow"),
        (close(1001, "restart"), "connection closed: received 1001 (going away) restart"),
        (send('{"$type":"error","error":"ConsumerTooSlow"}'), "error message: ConsumerTooSlow"),
        (send('{"error":"InvalidRequest","message":"no"}'), "error message: InvalidRequest"),
    ],
)
def test_a_lost_connection_is_told_and_the_next_server_goes_on_without_a_gap(
    act: Act, reason: str, new_reader: NewReader
) -> None:
    with (
        JetstreamServer(posts(4), [Fault(2, act)]) as first,
        JetstreamServer(posts(4), [Fault(4, disconnect)]) as second,
    ):
        reader = new_reader(first, second, ends_after=2)
        assert reader.read() == texts(0, 1, 0, 1, 2, 3)
    assert reader.reasons[0].startswith(reason)
    assert reader.count("reconnects_total", reason=reason.partition(":")[0]) >= 1
    # another server, another clock
    assert second.cursors == [START + 1000 - 60 * SECOND]
    assert reader.stream.trouble() == reader.reasons[1]


def test_a_server_that_falls_silent_is_left(new_reader: NewReader) -> None:
    with (
        JetstreamServer(posts(2), [Fault(1, stall)]) as first,
        JetstreamServer(posts(2), [Fault(2, disconnect)]) as second,
    ):
        reader = new_reader(first, second, ends_after=2, stall_seconds=0.2)
        assert reader.read() == texts(0, 0, 1)
    assert reader.reasons[0] == "stalled: no message for 0.2 s"


def test_refusals_lead_to_the_next_server_and_back(new_reader: NewReader) -> None:
    with (
        JetstreamServer(posts(1), [Refusal(HTTPStatus.TOO_MANY_REQUESTS), Fault(1, disconnect)]) as first,
        JetstreamServer([], [Refusal(HTTPStatus.BAD_REQUEST, "bad\ncursor")]) as second,
    ):
        reader = new_reader(first, second, ends_after=3)
        assert reader.stream.trouble() == "not connected yet"
        assert reader.read() == texts(0)
    assert reader.reasons[:2] == ["HTTP 429: try later", "HTTP 400: bad cursor"]
    assert reader.count("reconnects_total", reason="HTTP 429") == 1
    assert reader.count("stream_up") == 0


@pytest.mark.parametrize("location", ["ws://127.0.0.1:99999/", "ftp://127.0.0.1/", "/subscribe"])
def test_a_redirect_that_leads_nowhere_is_one_trouble_more(location: str, new_reader: NewReader) -> None:
    nowhere = Refusal(HTTPStatus.MOVED_PERMANENTLY, location=location)
    with (
        JetstreamServer([], [nowhere] * 20) as first,
        JetstreamServer(posts(1), [Fault(1, disconnect)]) as second,
    ):
        reader = new_reader(first, second, ends_after=2)
        assert reader.read() == texts(0)


def test_a_server_that_is_not_there_is_waited_for(new_reader: NewReader) -> None:
    with JetstreamServer() as gone:
        reader = new_reader(gone, ends_after=3)
        url = gone.url
    assert url
    reader.stream._urls = [url]
    assert reader.read() == []
    assert [reason.partition(":")[0] for reason in reader.reasons] == ["ConnectionRefusedError"] * 3


def test_one_time_holds_for_all_addresses_of_a_server(new_reader: NewReader, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int, float]] = []

    def open_socket(host: str, port: int, seconds: float, *_: object) -> NoReturn:
        asked.append((host, port, seconds))
        raise TimeoutError("no connection in time")

    monkeypatch.setattr(bluesky_stream, "open_socket", open_socket)
    with JetstreamServer() as server:
        reader = new_reader(server)
        assert reader.read() == []
        [(host, port, seconds)] = asked
        assert server.url == f"ws://{host}:{port}/subscribe"
    assert seconds < reader.stream.silence_seconds < 10
    assert reader.reasons == ["TimeoutError: no connection in time"]


def test_a_message_that_is_too_long_is_left_out_by_the_server(new_reader: NewReader) -> None:
    messages = [*posts(1), post(1, START + 1000, "x" * MESSAGE_LIMIT), post(2, START + 2000, "post 2")]
    with JetstreamServer(messages, [Fault(2, disconnect)]) as server:
        assert new_reader(server).read() == texts(0, 2)


def test_a_message_that_is_too_long_is_passed_over_where_the_server_sends_it(new_reader: NewReader) -> None:
    start = START - 100 * SECOND
    messages = [
        post(0, start, "post 0"),
        post(1, start + SECOND + 1, "x" * MESSAGE_LIMIT),
        post(2, start + 2 * SECOND, "post 2"),
    ]
    state = MemoryStateStore(lambda: NOW)
    with JetstreamServer(messages, [None, None, Fault(1, disconnect)], honours_size_limit=False) as server:
        state.save(KIND, SavedCursor(time_us=start, url=server.url))
        reader = new_reader(server, ends_after=3, state=state)
        assert reader.read() == texts(0, 2)
    # 1 s was not enough
    assert server.cursors == [start - 5 * SECOND, start + SECOND, start + 2 * SECOND]
    assert reader.count("lines_refused_total", reason="too long") == 2


def test_a_server_that_no_longer_has_what_was_missed_is_told_of(new_reader: NewReader) -> None:
    state = MemoryStateStore(lambda: NOW)
    with JetstreamServer(posts(2), [Fault(2, disconnect)]) as server:
        state.save(KIND, SavedCursor(time_us=START - 40 * 3600 * SECOND, url=server.url))
        reader = new_reader(server, state=state)
        assert reader.read() == texts(0, 1)
    assert server.cursors == [START - 40 * 3600 * SECOND - 5 * SECOND]
    [notice] = reader.notices
    assert (notice.kind, notice.figures) == ("bluesky gap", {"missed_seconds": 144_000})
    assert "40.0 hours" in notice.text
    assert "may be missed" in notice.text


def test_what_is_skipped_on_purpose_is_no_gap(new_reader: NewReader) -> None:
    start = START - 300 * SECOND
    messages = [post(0, start, "x" * MESSAGE_LIMIT), post(1, start + 120 * SECOND, "post 1")]
    state = MemoryStateStore(lambda: NOW)
    with JetstreamServer(messages, [None, Fault(1, disconnect)], honours_size_limit=False) as server:
        state.save(KIND, SavedCursor(time_us=start, url=server.url))
        reader = new_reader(server, ends_after=2, state=state)
        assert reader.read() == texts(1)
    assert reader.notices == []


def test_a_reconnect_without_a_gap_is_told_to_nobody(new_reader: NewReader) -> None:
    with JetstreamServer(posts(4), [Fault(2, disconnect), Fault(4, disconnect)]) as server:
        reader = new_reader(server, ends_after=2)
        reader.read()
    assert reader.notices == []


def test_rules_decide_what_arrives_and_are_named(new_reader: NewReader) -> None:
    messages = [
        post(0, START, "Wildfire near Bellbrook"),
        post(1, START + 1, "A fire sale"),
        post(2, START + 2, "Power outage, and a wildfire"),
        post(3, START + 3, "Nothing at all"),
    ]
    rules = (Rule(value="wildfire OR bushfire", tag="fire"), Rule(value='"power outage" -sale'))
    with JetstreamServer(messages, [Fault(4, disconnect)]) as server:
        reader = new_reader(server, rules=rules)
        assert reader.read() == ["Wildfire near Bellbrook", "Power outage, and a wildfire"]
    assert [[rule.id for rule in got.rules] for got in reader.received] == [["fire"], ["fire", "1"]]
    assert reader.count("messages_passed_over_total", reason="not wanted") == 2


def test_the_cursor_stays_behind_what_the_queue_has_not_accepted(new_reader: NewReader) -> None:
    state = MemoryStateStore(lambda: NOW)
    with JetstreamServer(posts(5), [Fault(5, disconnect)]) as server:
        reader = new_reader(server, state=state)
        reader.read(settle=False)

        def saved() -> int:
            reader.stream.close(1)
            kept = state.load(KIND, SavedCursor)
            assert kept is not None
            return kept.time_us

        assert saved() == START  # where all began
        reader.unsettled[1]()
        reader.unsettled[3]()
        assert saved() == START
        reader.unsettled[0]()
        assert saved() == START + 1000
        reader.unsettled[2]()
        reader.unsettled[4]()
        assert saved() == START + 4000


def test_a_slow_queue_slows_the_server_and_is_no_stall(new_reader: NewReader) -> None:
    with JetstreamServer([post(n, START + n, "x" * 200_000) for n in range(100)]) as server:
        reader = new_reader(server, ends_after=None, stall_seconds=0.05)
        arrivals = reader.stream.arrivals()
        next(arrivals)
        threading.Event().wait(0.2)  # longer than a stall
        assert sum(1 for _, _arrival in zip(range(99), arrivals, strict=False)) == 99
        reader.stopping.set()
        assert list(arrivals) == []
    assert len(server.queries) == 1
    assert reader.reasons == []


def test_a_stop_ends_a_stream_that_is_silent(new_reader: NewReader) -> None:
    with JetstreamServer(posts(1)) as server:
        reader = new_reader(server, ends_after=None)
        thread = threading.Thread(target=reader.read)
        thread.start()
        try:
            wait_until(lambda: len(reader.received) == 1, "the first post")
            assert reader.stream.trouble() is None
        finally:
            reader.stopping.set()
            reader.stream.stop()
            thread.join(SECONDS)
        assert not thread.is_alive()
    assert reader.reasons == []


def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_a_certificate_that_nobody_vouches_for_is_refused(new_reader: NewReader) -> None:
    with JetstreamServer(posts(1), tls=tls(trustme.CA())) as server:
        reader = new_reader(server)
        assert reader.read() == []
    assert server.queries == []
    assert reader.reasons[0].startswith("SSLCertVerificationError: ")


def test_a_certificate_of_a_known_authority_is_taken(
    new_reader: NewReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with JetstreamServer(posts(1), [Fault(1, disconnect)], tls=tls(authority)) as server:
        assert new_reader(server).read() == texts(0)


class _AwayAtFirst(MemoryStateStore):
    def __init__(self) -> None:
        super().__init__(lambda: NOW)
        self.tries = 0

    def load(self, kind: str, content_type: type) -> object:  # type: ignore[override]
        self.tries += 1
        if self.tries < 3:
            raise Unavailable("s3://bucket: no answer")
        return super().load(kind, content_type)


def test_a_cursor_that_cannot_be_read_is_waited_for(new_reader: NewReader) -> None:
    state = _AwayAtFirst()
    with JetstreamServer(posts(1), [Fault(1, disconnect)]) as server:
        assert new_reader(server, ends_after=3, state=state).read() == texts(0)
    assert state.tries == 3


def test_repeats_after_broken_connections_are_folded(new_reader: NewReader) -> None:
    rng = random.Random(5)
    faults: list[Fault | Refusal | None] = [Fault(rng.randrange(20, 90), disconnect) for _ in range(6)]
    with JetstreamServer(posts(100), faults[:3]) as one, JetstreamServer(posts(100), faults[3:]) as other:
        reader = new_reader(one, other, ends_after=None)
        writer = FakeWriter()
        metrics = Metrics(CollectorRegistry())
        forwarder = Forwarder(reader.stream, writer, RecentIds(1000), metrics, OccasionalLog())
        thread = threading.Thread(target=forwarder.run)
        thread.start()
        try:
            wait_until(lambda: len(writer.bodies) == 100 and not one.faults and not other.faults, "all posts")
        finally:
            reader.stopping.set()
            thread.join(SECONDS)
    assert [decode_post(body).text for body in writer.bodies] == texts(*range(100))
    assert len(reader.reasons) == 6
    assert reader.cursor.settled == reader.cursor.seen


@pytest.mark.parametrize("seed", range(3))
def test_kills_and_broken_connections_lose_nothing(seed: int, tmp_path: Path, new_reader: NewReader) -> None:
    """What the queue accepted before a kill is known by what was settled; all else must come again."""
    rng = random.Random(seed)
    start = START - 600 * SECOND
    sent = [post(number, start + number * 2 * SECOND, f"post {number}") for number in range(299)]
    wanted = {f"post {number}" for number in range(299)}
    end = post(299, START - SECOND, "end")
    acts = [disconnect, close(), send('{"$type":"error","error":"ConsumerTooSlow"}'), send("ConsumerTooSlow")]

    def faults() -> list[Fault | Refusal | None]:
        return [
            Refusal(HTTPStatus.SERVICE_UNAVAILABLE)
            if rng.random() < 0.2
            else Fault(rng.randrange(1, 80), rng.choice(acts))
            for _ in range(30)
        ]

    accepted: set[str] = set()
    lives = 0
    with JetstreamServer([*sent, end], faults()) as one, JetstreamServer([*sent, end], faults()) as other:
        while accepted != wanted:
            lives += 1
            assert lives < 50, f"never came: {sorted(wanted - accepted)}"
            state = FileStateStore(tmp_path / "state", lambda: NOW)
            if lives == 1:
                state.save(KIND, SavedCursor(time_us=start, url=one.url))
            reader = new_reader(one, other, ends_after=None, state=state, save_seconds=9, clock=partial(next, count()))
            waiting: list[tuple[str, Callable[[], object]]] = []
            left = rng.randrange(20, 120)
            arrivals = reader.stream.arrivals()
            for got, settled in arrivals:
                assert settled is not None
                if got.text == "end":
                    accepted.update(text for text, _ in waiting)
                    break
                waiting.append((got.text, settled))
                rng.shuffle(waiting)
                while len(waiting) > 10:
                    text, settled = waiting.pop()
                    accepted.add(text)
                    settled()
                left -= 1
                if not left:
                    break
            # killed: nothing is saved, and what the queue had not accepted is gone
            arrivals.close()  # type: ignore[attr-defined]
            state.close()
    assert lives > 1
