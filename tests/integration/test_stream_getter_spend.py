"""The spend guard in front of the simulator, whose ledger tells independently what was sent, and so billed."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import pytest
import requests
from prometheus_client import CollectorRegistry

from pipeline.contracts import Notice, decode_alert_or_notice
from pipeline.errors import UserMistake
from pipeline.logs import OccasionalLog
from pipeline.state_file import FileStateStore
from pipeline.telemetry import TelemetryServer
from simulator import Settings, Simulator
from stream_getter.metrics import Metrics
from stream_getter.notices import Notices
from stream_getter.source import Source, Surroundings
from stream_getter.x.source import build
from tests.support.misbehaving_server import MisbehavingServer, respond
from tests.support.polling import wait_until
from tests.support.service_process import SECONDS, asked, log_after_sigterm, running_services, variables_for
from tests.support.spend import SetClock

TOKEN = "secret"
SPENT = "the budget of the hour, 5 posts, is spent: reading again at 09:00 UTC"


class KeptBodies:
    def __init__(self) -> None:
        self.bodies: list[str] = []

    def put(self, body: str) -> None:
        self.bodies.append(body)

    @property
    def kinds(self) -> list[str]:
        notices = [decode_alert_or_notice(body) for body in self.bodies]
        return [notice.kind for notice in notices if isinstance(notice, Notice)]


@dataclass
class Reader:
    """A source that is read by a thread until it is stopped."""

    source: Source
    stopping: threading.Event
    registry: CollectorRegistry
    told: KeptBodies
    state: FileStateStore
    received: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        for post, _ in self.source.arrivals():
            self.received.append(post.id)

    def stop(self) -> None:
        self.stopping.set()
        self.source.stop()
        self.thread.join(10)
        assert not self.thread.is_alive()
        self.source.close(10)
        self.state.close()

    def wait_for(self, posts: int) -> None:
        wait_until(lambda: len(self.received) >= posts, f"{posts} posts")

    def wait_for_trouble(self, line: str | None) -> None:
        wait_until(lambda: self.source.trouble() == line, f"trouble {line}")

    def is_closed(self) -> bool:
        return bool(self.registry.get_sample_value("stream_getter_budget_closed"))


@dataclass
class Desk:
    """The simulator with a ledger, one clock for all readers, and one place for their state."""

    simulator: Simulator
    ledger: Path
    folder: Path
    clock: SetClock = field(default_factory=SetClock)
    readers: list[Reader] = field(default_factory=list)

    def read(self, **budgets: str) -> Reader:
        registry, stopping, told = CollectorRegistry(), threading.Event(), KeptBodies()
        state = FileStateStore(self.folder, self.clock)
        environ = {"X_BEARER_TOKEN": TOKEN, "X_API_URL": self.simulator.url, **budgets}
        around = Surroundings(
            environ=environ,
            metrics=Metrics(registry),
            stopping=stopping,
            state=state,
            notices=Notices(told, self.clock),
            occasionally=OccasionalLog(),
            now=self.clock,
            new_trace_id=lambda: "trace-1",
            rng=random.Random(1),
        )
        reader = Reader(build(around), stopping, registry, told, state)
        self.readers.append(reader)
        return reader

    def sent(self) -> list[str]:
        """Ids of the posts that a socket took whole."""
        lines = [json.loads(line) for line in self.ledger.read_text().splitlines()]
        return [f"x:{line['id']}" for line in lines if line["event"] == "sent"]

    def post(self, count: int, reader: Reader) -> None:
        """So many posts, each after the one before was read."""
        for _ in range(count):
            wanted = len(reader.received) + 1
            assert self.try_to_post() == HTTPStatus.ACCEPTED
            reader.wait_for(wanted)

    def try_to_post(self) -> int:
        return requests.post(self.simulator.url + "/simulator/posts", data="hello", timeout=10).status_code

    def nobody_is_connected(self) -> bool:
        return self.simulator.health()["connections"] == 0 and self.try_to_post() == HTTPStatus.CONFLICT


NewDesk = Callable[..., Desk]


@pytest.fixture
def new_desk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[NewDesk]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    desks: list[Desk] = []

    def new(**options: object) -> Desk:
        ledger = tmp_path / "sent.jsonl"
        simulator = Simulator(Settings(bearer_token=TOKEN, ledger=ledger, **options))  # type: ignore[arg-type]
        simulator.start()
        desks.append(Desk(simulator, ledger, tmp_path / "state"))
        return desks[-1]

    yield new
    for desk in desks:
        for reader in desk.readers:
            if reader.thread.is_alive():
                reader.stop()
        desk.simulator.stop()


def readyz(server: TelemetryServer) -> tuple[int, str]:
    answer = requests.get(f"http://127.0.0.1:{server.port}/readyz", timeout=10)
    return answer.status_code, answer.text.strip()


def test_the_stream_is_closed_at_the_budget_and_goes_on_when_the_hour_turns(new_desk: NewDesk) -> None:
    desk = new_desk()
    reader = desk.read(X_BUDGET_HOUR="5 posts")
    server = TelemetryServer("127.0.0.1", 0, reader.registry, {"stream": reader.source.trouble})
    try:
        reader.wait_for_trouble(None)
        desk.post(4, reader)
        assert readyz(server)[0] == HTTPStatus.OK
        desk.post(1, reader)
        reader.wait_for_trouble(SPENT)
        wait_until(desk.nobody_is_connected, "the connection's end")
        assert readyz(server) == (HTTPStatus.SERVICE_UNAVAILABLE, f"stream: {SPENT}")
        assert reader.is_closed()
        desk.clock.now = desk.clock.now.replace(hour=8, minute=59, second=59)
        assert desk.nobody_is_connected()
        assert desk.sent() == reader.received
        assert len(reader.received) == 5

        desk.clock.forward(seconds=1)
        reader.wait_for_trouble(None)
        assert not reader.is_closed()
        desk.post(5, reader)
        reader.wait_for_trouble(SPENT.replace("09:00", "10:00"))
        # the first hour's notices end alike
        wait_until(lambda: reader.told.kinds.count("budget spent") == 2, "the notices")
    finally:
        server.close()
    assert desk.sent() == reader.received
    assert len(reader.received) == 10
    once = ["budget nearly spent", "budget spent"]
    assert reader.told.kinds == [*once, "reading again", *once]


def test_a_start_while_a_budget_is_spent_is_a_start(new_desk: NewDesk, tmp_path: Path) -> None:
    desk = new_desk(project_cap=100, project_usage=100)
    queue = respond("200 OK", b'{"Attributes": {}}', {"Content-Type": "application/x-amz-json-1.0"})
    with MisbehavingServer(queue) as queues, running_services(tmp_path) as run:
        variables = variables_for("stream-getter", queues.url, "", desk.simulator.url) | {"X_BEARER_TOKEN": TOKEN}
        process = run("stream-getter", variables)

        def status(path: str) -> int | None:
            answer = asked(variables, path)
            return answer.status_code if answer is not None else None

        wait_until(lambda: status("/startupz") == HTTPStatus.OK, "the end of the start", SECONDS)
        assert status("/readyz") == HTTPStatus.SERVICE_UNAVAILABLE
        log_after_sigterm(process)
    assert desk.nobody_is_connected()


def test_what_was_read_with_the_post_that_filled_the_budget_is_forwarded(new_desk: NewDesk, tmp_path: Path) -> None:
    posts = tmp_path / "posts.jsonl"
    payloads = [{"data": {"id": str(number), "text": "n" * 200}, "matching_rules": []} for number in range(1, 2001)]
    posts.write_text("".join(json.dumps(payload) + "\n" for payload in payloads))
    desk = new_desk(posts=(posts,))
    reader = desk.read(X_BUDGET_DAY="0.5 USD")
    reader.wait_for_trouble(
        "the budget of the day, 0.5 USD (100 posts), is spent: reading again on 2026-11-21 at 00:00 UTC"
    )
    wait_until(lambda: desk.simulator.health()["connections"] == 0, "the connection's end")
    assert len(reader.received) >= 100
    # whole posts in order; what one read of the socket brings is 64 KiB at most
    assert reader.received == [f"x:{number}" for number in range(1, len(reader.received) + 1)]
    assert len(reader.received) < 100 + 64 * 1024 // 200


def test_a_restart_within_the_hour_goes_on_counting(new_desk: NewDesk) -> None:
    desk = new_desk(connections=2)
    first = desk.read(X_BUDGET_HOUR="5 posts")
    first.wait_for_trouble(None)
    desk.post(3, first)  # too few to be told, so nothing but the end saves them
    first.stop()
    wait_until(desk.nobody_is_connected, "the connection's end")
    second = desk.read(X_BUDGET_HOUR="5 posts")
    second.wait_for_trouble(None)
    desk.post(2, second)
    second.wait_for_trouble(SPENT)
    second.stop()
    third = desk.read(X_BUDGET_HOUR="5 posts")
    third.wait_for_trouble(SPENT)
    assert desk.nobody_is_connected()
    assert len(desk.sent()) == 5


def test_a_month_that_x_has_filled_already_is_not_read_at_all(new_desk: NewDesk) -> None:
    desk = new_desk(project_cap=100, project_usage=100)
    reader = desk.read()
    reader.wait_for_trouble("X's own cap of the month, 100 posts, is spent: reading again on 2026-12-01 at 00:00 UTC")
    assert desk.nobody_is_connected()
    assert desk.sent() == []


def test_repeats_are_not_counted(new_desk: NewDesk, tmp_path: Path) -> None:
    posts = tmp_path / "posts.jsonl"
    payloads = [{"data": {"id": str(number), "text": "hello"}, "matching_rules": []} for number in range(1, 5)]
    posts.write_text("".join(json.dumps(payload) + "\n" for payload in payloads))
    desk = new_desk(posts=(posts,), repeat_every=1)
    reader = desk.read(X_BUDGET_HOUR="5 posts")
    reader.wait_for(8)
    assert not reader.is_closed()
    assert reader.registry.get_sample_value("stream_getter_spend_posts", {"window": "hour"}) == 4


def test_a_stop_does_not_wait_for_the_window(new_desk: NewDesk) -> None:
    desk = new_desk()
    reader = desk.read(X_BUDGET_MONTH="1 post")
    reader.wait_for_trouble(None)
    desk.post(1, reader)
    wait_until(reader.is_closed, "the end of the budget")
    reader.stop()


def test_a_budget_that_is_none_ends_the_start(new_desk: NewDesk) -> None:
    with pytest.raises(UserMistake, match="X_BUDGET_HOUR: expected a budget of one post"):
        new_desk().read(X_BUDGET_HOUR="0 posts")
