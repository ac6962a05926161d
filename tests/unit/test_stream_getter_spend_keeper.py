"""What is saved and when, what X says of its usage, and that nothing of it stops the reading."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import requests

from pipeline import connection_state
from pipeline.contracts import Severity, decode_alert_or_notice
from pipeline.errors import Unavailable, UserMistake
from pipeline.state_envelope import C, StateContent
from pipeline.state_store import MemoryStateStore, StateConflict, StateNotSaved
from stream_getter.notices import Notices
from stream_getter.x import spend_keeper
from stream_getter.x.api import XApi
from stream_getter.x.spend_keeper import ASK_AGAIN, ASK_EVERY, SpendKeeper
from stream_getter.x.spend_state import KIND, SpendState
from stream_getter.x.spend_windows import Period
from stream_getter.x.usage import UsageReader, UsageUnknown, XUsage
from tests.support.misbehaving_server import Answer, MisbehavingServer, raw, reset, respond
from tests.support.polling import wait_until
from tests.support.recording_log import RecordingLog, record_log
from tests.support.spend import GuardAtWork

HOUR, MONTH = Period.HOUR, Period.MONTH


class StoreInTrouble(MemoryStateStore):
    """Raises what ``on_load`` and ``on_save`` hold, one after the other, before it works."""

    def __init__(self, now: Callable[[], Any]) -> None:
        super().__init__(now)
        self.on_load: list[Exception] = []
        self.on_save: list[Exception] = []
        self.saves = 0
        self.gate = threading.Event()
        self.gate.set()

    def load(self, kind: str, content_type: type[C]) -> C | None:
        if self.on_load:
            raise self.on_load.pop(0)
        return super().load(kind, content_type)

    def save(self, kind: str, content: StateContent) -> None:
        assert self.gate.wait(10)
        if self.on_save:
            raise self.on_save.pop(0)
        super().save(kind, content)
        self.saves += 1


class FakeUsage(UsageReader):
    """Says what it is told to; an exception is raised."""

    def __init__(self) -> None:
        self.says: XUsage | UsageUnknown = XUsage(0)
        self.asked = 0
        self.gate = threading.Event()
        self.gate.set()

    def read(self) -> XUsage:
        self.asked += 1
        assert self.gate.wait(10)
        if isinstance(self.says, UsageUnknown):
            raise self.says
        return self.says

    def close(self) -> None:
        pass


class KeptBodies:
    def __init__(self) -> None:
        self.bodies: list[str] = []

    def put(self, body: str) -> None:
        self.bodies.append(body)


class Kept:
    """A guard at work with its keeper, which steps when it is told to (``keep``) or in its thread (``start``)."""

    def __init__(self, posts: dict[Period, int], store: StoreInTrouble | None = None) -> None:
        self.work = GuardAtWork(posts)
        self.store = store or StoreInTrouble(self.work.clock)
        self.usage = FakeUsage()
        self.queue = KeptBodies()
        self.keeper = SpendKeeper(
            self.work.guard,
            self.store,
            self.usage,
            Notices(self.queue, self.work.clock),
            self.work.clock,
            self.work.wake,
            save_seconds=0.01,
        )

    @contextmanager
    def running(self) -> Iterator["Kept"]:
        self.keeper.start()
        try:
            yield self
        finally:
            self.store.gate.set()
            self.keeper.close(10)

    def saved(self, period: Period = HOUR) -> int:
        state = MemoryStateStore.load(self.store, KIND, SpendState)
        return state.windows[period].posts if state else 0

    def notices(self) -> list[str]:
        return [decode_alert_or_notice(body).kind for body in self.queue.bodies]  # type: ignore[union-attr]


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    return record_log(monkeypatch, spend_keeper, connection_state)


def test_it_saves_in_the_background_and_at_the_end() -> None:
    kept = Kept({})
    with kept.running():
        kept.work.read(5)
        wait_until(lambda: kept.saved() == 5, "the first save")
        kept.store.gate.clear()
        kept.work.read(2)
    assert kept.saved() == 7


def test_counting_does_not_wait_for_a_save_that_takes_long() -> None:
    kept = Kept({HOUR: 100})
    with kept.running():
        kept.store.gate.clear()
        kept.work.read(99)
        assert kept.work.guard.closed() is None
        assert kept.work.read(1)


def test_what_has_not_changed_is_not_saved_again() -> None:
    kept = Kept({})
    with kept.running():
        kept.work.read(5)
        wait_until(lambda: kept.saved() == 5, "the save")
        saves, asked = kept.store.saves, kept.usage.asked
        for _ in range(5):
            kept.work.wake.set()
            wait_until(lambda: not kept.work.wake.is_set(), "a step")
    assert (kept.store.saves, kept.usage.asked) == (saves, asked)


def test_an_end_that_cannot_save_in_time_is_told(logged: RecordingLog) -> None:
    kept = Kept({})
    with kept.running():
        wait_until(lambda: kept.store.saves, "the first save")
        kept.store.gate.clear()
        kept.work.read(1)
        kept.keeper.close(0.01)
        assert "the spend was not saved in time" in logged.events


def test_the_next_start_goes_on_from_it() -> None:
    first = Kept({HOUR: 10})
    with first.running():
        first.work.read(9)
    second = Kept({HOUR: 10}, first.store)
    with second.running():
        assert not second.work.guard.closed()
        assert second.work.read(1)


def test_a_save_that_fails_is_tried_again() -> None:
    kept = Kept({})
    kept.store.on_save = [StateNotSaved("disk full")] * 3
    with kept.running():
        kept.work.read(5)
        wait_until(lambda: kept.saved() == 5, "the save after the failed ones")


def test_a_state_that_cannot_be_read_yet_is_added_once_it_can_be_and_never_overwritten(logged: RecordingLog) -> None:
    first = Kept({HOUR: 10})
    with first.running():
        first.work.read(6)
    second = Kept({HOUR: 10}, first.store)
    second.store.on_load = [Unavailable("S3: timed out")] * 3
    saves = second.store.saves
    second.keeper._load()
    for _ in range(2):
        second.keeper._step()
    assert second.work.guard.closed() is None
    second.work.read(4)
    assert second.store.saves == saves
    second.keeper._step()
    assert second.work.guard.closed()
    assert second.saved() == 10
    assert logged.events == ["cannot be reached, trying again", "reachable again"]


def test_a_place_that_cannot_be_is_the_users_mistake() -> None:
    kept = Kept({})
    kept.store.on_load = [UserMistake("STATE: no such bucket")]
    with pytest.raises(UserMistake, match="no such bucket"):
        kept.keeper.start()


def test_of_two_readers_in_one_place_the_larger_count_holds(logged: RecordingLog) -> None:
    other, mine = Kept({HOUR: 10}), Kept({HOUR: 10})
    mine.store = mine.keeper._store = other.store
    mine.keeper._load()
    other.work.read(8)
    other.keeper._load()
    other.keeper._save()
    mine.work.read(3)
    mine.store.on_save = [StateConflict("somebody else has saved it")]
    mine.keeper._save()
    assert mine.saved() == mine.work.counted(HOUR) == 8
    assert logged.events.count("another reader saves its spend in the same place: the larger count holds") == 1
    mine.work.read(1)
    mine.store.on_save = [StateConflict("again")]
    mine.keeper._save()
    assert mine.saved() == 9
    assert logged.events.count("another reader saves its spend in the same place: the larger count holds") == 1


def test_another_readers_spend_that_cannot_be_read_stops_nothing(logged: RecordingLog) -> None:
    kept = Kept({})
    kept.keeper._load()
    kept.store.on_save = [StateConflict("somebody else")] * 2
    kept.store.on_load = [Unavailable("timed out"), UserMistake("no right")]
    kept.keeper._save()
    kept.work.read(2)
    kept.keeper._save()
    assert kept.saved() == 2
    assert logged.events.count("the other reader's spend cannot be read") == 2


def test_people_are_told_through_the_notices() -> None:
    kept = Kept({HOUR: 10})
    with kept.running():
        kept.work.read(10)
        wait_until(lambda: kept.notices() == ["budget nearly spent", "budget spent"], "the notices")
        kept.work.clock.forward(hours=1)
        assert kept.work.guard.closed() is None
        wait_until(lambda: kept.notices()[2:] == ["reading again"], "the last notice")
    notice = decode_alert_or_notice(kept.queue.bodies[1])
    assert notice.severity is Severity.CRITICAL  # type: ignore[union-attr]


def test_a_save_does_not_wait_for_a_notice_that_cannot_be_sent_yet() -> None:
    kept = Kept({HOUR: 10})
    room = threading.Event()
    kept.queue.put = lambda _body: room.wait(10)  # type: ignore[method-assign,assignment]
    try:
        with kept.running():
            kept.work.read(10)
            wait_until(lambda: kept.saved() == 10, "the save")
            room.set()
    finally:
        room.set()


def test_what_was_not_told_before_a_kill_is_told_by_the_next_start() -> None:
    killed = Kept({HOUR: 10})
    killed.keeper._load()
    killed.work.read(10)

    def kill(_body: str) -> None:
        raise SystemExit

    killed.queue.put = kill  # type: ignore[method-assign,assignment]
    with pytest.raises(SystemExit):
        killed.keeper._step()
    assert killed.saved() == 10
    second = Kept({HOUR: 10}, killed.store)
    second.keeper._load()
    assert second.work.guard.closed()
    second.keeper._step()
    assert second.notices() == ["budget spent"]
    third = Kept({HOUR: 10}, killed.store)
    third.keeper._load()
    third.keeper._step()
    assert third.notices() == []


def test_what_happens_while_people_are_told_is_not_taken_for_told() -> None:
    kept = Kept({HOUR: 10})
    kept.keeper._load()
    kept.work.read(8)

    def put(body: str) -> None:
        kept.queue.bodies.append(body)
        if len(kept.queue.bodies) == 1:
            kept.work.read(2)

    kept.queue.put = put  # type: ignore[method-assign]
    kept.keeper._step()
    assert kept.notices() == ["budget nearly spent"]
    second = Kept({HOUR: 10}, kept.store)
    second.keeper._load()
    second.keeper._step()
    assert second.notices() == ["budget spent"]


def test_a_start_reads_x_figure_before_the_first_post() -> None:
    kept = Kept({MONTH: 1000})
    kept.usage.says = XUsage(1000)
    with kept.running():
        assert "budget of the month" in str(kept.work.guard.closed())


def test_x_is_asked_every_hour_and_when_the_month_turns_and_sooner_after_a_failure(logged: RecordingLog) -> None:
    kept = Kept({})
    asked = []
    kept.keeper._load()

    def steps_after(distance: timedelta) -> int:
        kept.work.clock.now += distance
        before = kept.usage.asked
        kept.keeper._ask_if_due()
        return kept.usage.asked - before

    second = timedelta(seconds=1)
    asked = [steps_after(distance) for distance in (timedelta(0), ASK_EVERY - second, second)]
    assert asked == [1, 0, 1]
    kept.usage.says = UsageUnknown("HTTP 429")
    assert [steps_after(distance) for distance in (ASK_EVERY, ASK_AGAIN - second, second)] == [1, 0, 1]
    kept.usage.says = XUsage(5)
    assert [steps_after(distance) for distance in (ASK_AGAIN, ASK_EVERY - second)] == [1, 0]
    assert steps_after(timedelta(days=20)) == 1
    kept.work.clock.now = kept.work.clock.now.replace(day=31, hour=23, minute=59)
    assert [steps_after(distance) for distance in (timedelta(0), timedelta(minutes=2), second)] == [1, 1, 0]
    assert steps_after(-timedelta(days=3)) == 1
    assert logged.events.count("cannot be reached, trying again") == 1
    assert logged.events.count("reachable again") == 1


def test_an_answer_of_x_that_does_not_come_holds_up_neither_the_saves_nor_the_end() -> None:
    kept = Kept({})
    kept.usage.gate.clear()
    kept.keeper.start(first_seconds=0.01)
    try:
        kept.work.read(5)
        wait_until(lambda: kept.saved() == 5, "the save")
        kept.work.read(1)
        kept.keeper.close(10)
        assert kept.saved() == 6
    finally:
        kept.usage.gate.set()


def test_while_x_does_not_tell_the_own_count_goes_on(logged: RecordingLog) -> None:
    kept = Kept({MONTH: 10})
    kept.usage.says = UsageUnknown("HTTP 503")
    with kept.running():
        assert kept.work.read(10)
    assert "cannot be reached, trying again" in logged.events


@pytest.fixture
def usage_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], XUsage]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def read(answer: Answer) -> XUsage:
        with MisbehavingServer(answer) as server, requests.Session() as session:
            said = UsageReader(XApi(session, server.url, "secret-token")).read()
            (request,) = server.requests
            assert request.startswith("GET /2/usage/tweets HTTP")
            assert "\r\nAuthorization: Bearer secret-token\r\n" in request
            return said

    return read


def answer(**data: Any) -> Answer:
    return respond("200 OK", json.dumps({"data": data}).encode(), {"Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"cap_reset_day": 10, "project_cap": "5000000000", "project_usage": "43435"}, XUsage(43435, 5000000000, 10)),
        ({"project_usage": 7, "project_cap": 10_000, "cap_reset_day": "31"}, XUsage(7, 10_000, 31)),
        ({"project_usage": "7", "project_cap": "0", "new_field": []}, XUsage(7)),
        ({"project_usage": "7", "cap_reset_day": 123}, XUsage(7)),
        ({"project_usage": "7", "cap_reset_day": None, "project_cap": None}, XUsage(7)),
    ],
)
def test_x_figures_are_read(usage_of: Callable[[Answer], XUsage], data: dict[str, Any], said: XUsage) -> None:
    assert usage_of(answer(**data)) == said


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (respond("429 Too Many Requests", b"{}", {"x-rate-limit-reset": "1"}), "HTTP 429"),
        (respond("401 Unauthorized", b"secret-token"), "HTTP 401"),
        (respond("302 Found", b"", {"Location": "http://example.com/"}), "HTTP 302"),
        (reset, "ConnectionError"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"), "an answer without the project's usage"),
        (respond("200 OK", b"<html>"), "an answer without the project's usage"),
        (respond("200 OK", b"\xff"), "an answer without the project's usage"),
        (respond("200 OK", b"[" * 100_000), "an answer without the project's usage"),
        (respond("200 OK", b'{"errors": []}'), "an answer without the project's usage"),
        (answer(), "an answer without the project's usage"),
        (answer(project_usage="-5"), "an answer without the project's usage"),
        (answer(project_usage="many"), "an answer without the project's usage"),
        (answer(project_usage="9" * 50), "an answer without the project's usage"),
        (answer(project_usage="5", project_cap={}), "an answer without the project's usage"),
    ],
)
def test_what_is_no_figure_is_named_in_a_few_words(
    usage_of: Callable[[Answer], XUsage], broken: Answer, reason: str
) -> None:
    with pytest.raises(UsageUnknown) as unknown:
        usage_of(broken)
    assert str(unknown.value) == reason
