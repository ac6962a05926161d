"""docs/sources.md: its worked example is a whole source, and works."""

import importlib.util
import itertools
import json
import random
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from pipeline.contracts import decode_post
from pipeline.errors import UserMistake
from pipeline.logs import OccasionalLog
from pipeline.recent_ids import RecentIds
from stream_getter import sources
from stream_getter.forwarder import Forwarder
from stream_getter.metrics import Metrics
from stream_getter.source import Source, Surroundings
from tests.support.fake_queue_ends import FakeWriter
from tests.support.polling import wait_until
from tests.support.recorded_stop import RecordedStop
from tests.support.shell_blocks import fenced_blocks

REPOSITORY = Path(__file__).parents[2]
DOCUMENT = REPOSITORY / "docs/sources.md"
NOW = datetime(2026, 11, 20, 8, 15, 10, tzinfo=UTC)
SOON = 20.0
MODULE, LINE = (block.text for block in fenced_blocks(DOCUMENT) if block.mark == "python")


class FeedServer:
    """A feed at ``url`` with these items; with ``broken`` it answers with something else, with ``raw`` with this."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.broken = False
        self.raw: Iterable[bytes] = ()
        feed = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if feed.raw:
                    self.close_connection = True
                    with suppress(OSError):
                        for piece in feed.raw:
                            self.wfile.write(piece)
                    return
                body = b"<html>" if feed.broken else json.dumps({"version": "1.1", "items": feed.items}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/feed.json"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FeedServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = FeedServer()
    yield server
    server.close()


@pytest.fixture
def feed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of the document."""
    path = tmp_path / "feed.py"
    path.write_text(MODULE, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("feed_of_the_document", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def surroundings(registry: CollectorRegistry, stopping: threading.Event, **environ: str) -> Surroundings:
    numbers = itertools.count()
    return Surroundings(
        environ=environ,
        metrics=Metrics(registry),
        stopping=stopping,
        state=cast(Any, None),
        notices=cast(Any, None),
        occasionally=OccasionalLog(),
        now=lambda: NOW,
        new_trace_id=lambda: f"trace-{next(numbers)}",
        rng=random.Random(1),
    )


def test_the_example_forwards_what_is_new_once_and_outlasts_trouble(feed: ModuleType, server: FeedServer) -> None:
    registry, stopping, writer = CollectorRegistry(), threading.Event(), FakeWriter()
    around = surroundings(registry, stopping, FEED_URL=server.url, FEED_EVERY="0.01")
    source: Source = feed.build(around)
    assert source.trouble() == "not asked yet"
    server.items = [
        {"id": "2", "content_text": "second", "date_published": "2026-11-20T09:15:03+01:00", "url": "https://e.org/2"},
        {"id": "empty"},
        {"id": "1", "content_text": "first \u0000", "date_published": "2026-11-20T08:15:03"},
    ]
    recent = RecentIds(max_bytes=100_000)
    forwarder = Forwarder(source, writer, recent, around.metrics, around.occasionally)
    thread = threading.Thread(target=forwarder.run, daemon=True)
    thread.start()
    wait_until(lambda: len(writer.bodies) == 2, "both posts", SOON)
    server.broken = True
    wait_until(source.trouble, "the trouble to be told", SOON)
    server.items.insert(0, {"id": "3", "content_text": "third"})
    server.broken = False
    wait_until(lambda: len(writer.bodies) == 3, "the new post", SOON)
    assert source.trouble() is None
    stopping.set()
    source.stop()
    thread.join(SOON)
    assert not thread.is_alive()
    source.close(1.0)
    first, second, third = map(decode_post, writer.bodies)
    assert [post.id for post in (first, second, third)] == ["feed:1", "feed:2", "feed:3"]
    assert first.text == "first \ufffd"
    assert first.created_at == second.created_at == datetime(2026, 11, 20, 8, 15, 3, tzinfo=UTC)
    assert (second.url, third.created_at, third.trace_id != "") == ("https://e.org/2", NOW, True)
    assert (registry.get_sample_value("stream_getter_lines_refused_total", {"reason": "no text"}) or 0) > 0


DRIPPING = [b"HTTP/1.1 200 OK\r\n\r\n"]
DEEP = b'{"x":' + b"[" * 100_000


@pytest.mark.parametrize(
    ("raw", "trouble"),
    [
        ([b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n0123456789"], "DecodeError"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc"], "ProtocolError"),
        ([b"HTTP/1.1 200 OK\r\n\r\n", DEEP], "RecursionError"),
        ([b'HTTP/1.1 200 OK\r\n\r\n{"items": [{"id": "\xff"}]}'], "UnicodeDecodeError"),
        (itertools.chain(DRIPPING, itertools.repeat(b" ")), "TimeoutError"),
    ],
    ids=["broken gzip", "cut off", "deep", "not UTF-8", "dripping"],
)
def test_the_example_outlasts_whatever_a_server_sends(
    feed: ModuleType, server: FeedServer, monkeypatch: pytest.MonkeyPatch, raw: Iterable[bytes], trouble: str
) -> None:
    monkeypatch.setattr(feed, "_PAGE_SECONDS", 0.05)
    monkeypatch.setattr(feed, "_PAGE_BYTES", 1 << 40)
    server.raw = raw
    around = surroundings(CollectorRegistry(), RecordedStop(ends_after=1), FEED_URL=server.url)
    source = feed.build(around)
    assert list(source.arrivals()) == []
    assert source.trouble() == trouble


def test_the_example_tells_a_mistake_in_its_settings(feed: ModuleType) -> None:
    with pytest.raises(UserMistake, match=r"^environment: FEED_URL: expected a URL .*, got nothing$"):
        feed.build(surroundings(CollectorRegistry(), threading.Event()))


def test_its_line_has_the_shape_of_the_others() -> None:
    names = [line.strip() for line in Path(sources.__file__).read_text(encoding="utf-8").splitlines()]
    assert LINE.strip() == '"feed": feed.build,'
    assert all(f'"{name}": {name}.build,' in names for name in sources.SOURCES)
