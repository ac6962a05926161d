"""Streams that are open, without sockets: what goes to whom, and what X tells of them."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from simulator.backfill import Backfill
from simulator.clock import Clock
from simulator.connection_history import ConnectionHistory
from simulator.connections import Connections
from simulator.fault_acts import Outcome
from simulator.ledger import Ledger
from simulator.payload import Post
from simulator.snowflake import SnowflakeIds
from simulator.stream_connection import StreamConnection
from simulator.usage import ProjectUsage

NOW = 1_795_162_510.0  # 2026-11-20T08:15:10Z
DAY = 86_400.0


class LookingStream:
    """In place of a StreamConnection: looks into the backfill in the middle of a write."""

    number = 1
    closed = False
    talks = True

    def __init__(self, backfill: Backfill) -> None:
        self._backfill = backfill
        self.found: list[str] = []

    def send(self, posts: Sequence[Post]) -> Outcome:
        self.found += [post.id for post in self._backfill.of_last(5)]
        return Outcome(len(posts), len(posts))


def post(number: int) -> Post:
    return Post({"data": {"id": str(number), "text": "t"}})


def test_who_connects_while_a_post_is_written_finds_it_in_the_backfill() -> None:
    clock = Clock(now=lambda: NOW)
    backfill = Backfill(clock)
    history = ConnectionHistory(SnowflakeIds(clock), clock)
    usage = ProjectUsage(cap=10, used=0, clock=clock)
    connections = Connections(2, Ledger(None, clock), usage, backfill, history)
    stream = LookingStream(backfill)
    opened = connections.reserve("127.0.0.1", lambda _number: cast(StreamConnection, stream))
    assert opened is not None
    connections.activate(opened)
    connections.broadcast([post(1)])
    assert stream.found == ["1"]


def test_what_is_kept_again_is_kept_once() -> None:
    backfill = Backfill(Clock())
    backfill.keep([post(1), post(2)])
    backfill.keep([post(1)])
    assert [(one.id, one.repeat) for one in backfill.of_last(5)] == [("2", True), ("1", True)]


@pytest.fixture
def history() -> ConnectionHistory:
    clock = Clock(now=lambda: NOW)
    return ConnectionHistory(SnowflakeIds(clock), clock)


def page(history: ConnectionHistory, **query: str) -> dict[str, Any]:
    answer = history.page({name.replace("__", "."): [value] for name, value in query.items()})
    assert answer.status == 200
    return answer.body


def test_active_connections_are_told_unless_others_are_asked_for(history: ConnectionHistory) -> None:
    first, second = history.opened("127.0.0.1"), history.opened("127.0.0.2")
    history.closed(first, "client_disconnect")
    history.closed(first, "operator_disconnect")
    open_one = {
        "id": second,
        "endpoint_name": "filtered_stream",
        "client_ip": "127.0.0.2",
        "connected_at": "2026-11-20T08:15:10.000Z",
    }
    closed_one = {
        "id": first,
        "endpoint_name": "filtered_stream",
        "client_ip": "127.0.0.1",
        "connected_at": "2026-11-20T08:15:10.000Z",
        "disconnected_at": "2026-11-20T08:15:10.000Z",
        "disconnect_reason": "client_disconnect",
    }
    assert page(history) == {"data": [open_one], "meta": {"result_count": 1}}
    assert page(history, status="inactive")["data"] == [closed_one]
    assert page(history, status="all")["data"] == [open_one, closed_one]
    assert page(history, status="all", endpoints="sample_stream")["data"] == []
    assert page(history, connection__fields="id,disconnect_reason")["data"] == [{"id": second}]


def test_pages_of_connections_together_hold_each_once(history: ConnectionHistory) -> None:
    ids = [history.opened("127.0.0.1") for _ in range(25)]
    found: list[str] = []
    token = ""
    for count in (10, 10, 5):
        body = page(history, pagination_token=token)
        assert body["meta"]["result_count"] == count
        found += [one["id"] for one in body["data"]]
        token = body["meta"].get("next_token", "")
    assert found == ids[::-1]
    assert token == ""


def test_the_history_is_bounded(history: ConnectionHistory) -> None:
    ids = [history.opened("127.0.0.1") for _ in range(1001)]
    history.closed(ids[0], "client_disconnect")
    oldest_but_one = page(history, pagination_token=ids[2])["data"]
    assert [one["id"] for one in oldest_but_one] == [ids[1]]


@pytest.mark.parametrize(
    "query", [{"status": "open"}, {"max_results": "0"}, {"max_results": "101"}, {"pagination_token": "x"}]
)
def test_connections_that_cannot_be_asked_for_are_a_400(history: ConnectionHistory, query: dict[str, str]) -> None:
    answer = history.page({name: [value] for name, value in query.items()})
    assert (answer.status, next(iter(query)) in answer.body["errors"][0]["message"]) == (400, True)


class Days:
    """A usage whose day a test can turn."""

    def __init__(self) -> None:
        self.now = NOW
        self.usage = ProjectUsage(cap=2000, used=1000, clock=Clock(now=lambda: self.now))

    def ask(self, **query: str) -> dict[str, Any]:
        answer = self.usage.answer({name.replace("__", "."): [value] for name, value in query.items()})
        assert answer.status == 200
        data: dict[str, Any] = answer.body["data"]
        return data


def test_usage_tells_the_days_only_when_they_are_asked_for() -> None:
    days = Days()
    days.usage.count([post(1), post(2)])
    days.now += DAY
    days.usage.count([post(3)])
    assert days.ask() == {
        "cap_reset_day": 1,
        "project_cap": "2000",
        "project_id": "1790000000000000001",
        "project_usage": "1003",
    }
    both = [{"date": "2026-11-20T00:00:00.000Z", "usage": "2"}, {"date": "2026-11-21T00:00:00.000Z", "usage": "1"}]
    assert days.ask(usage__fields="daily_project_usage,project_usage") == {
        "daily_project_usage": {"project_id": "1790000000000000001", "usage": both},
        "project_usage": "1003",
    }
    of_apps = days.ask(usage__fields="daily_client_app_usage", days="1")
    assert of_apps["daily_client_app_usage"][0]["usage"] == both[1:]
    assert of_apps["daily_client_app_usage"][0]["usage_result_count"] == 1


@pytest.mark.parametrize("query", [{"days": "0"}, {"days": "91"}, {"days": "x"}, {"usage.fields": "cost"}])
def test_usage_that_cannot_be_asked_for_is_a_400(query: dict[str, str]) -> None:
    answer = Days().usage.answer({name: [value] for name, value in query.items()})
    assert (answer.status, next(iter(query)) in answer.body["errors"][0]["message"]) == (400, True)
