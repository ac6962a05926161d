"""State in S3: a second writer is noticed, an answer that was lost is not taken for one, an outage has an end."""

import random
from datetime import UTC, datetime

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

import pipeline.connection_state
import pipeline.state_s3
from pipeline.backoff import Backoff
from pipeline.errors import Unavailable, UserMistake
from pipeline.state_envelope import LIMIT
from pipeline.state_s3 import PATIENCE_SECONDS, S3StateStore
from pipeline.state_store import StateConflict, StateNotSaved
from tests.support.fake_s3 import FakeS3, s3_error
from tests.support.recording_log import RecordingLog, record_log
from tests.support.state_contents import Cursor

NOW = datetime(2026, 11, 20, 8, 15, 3, tzinfo=UTC)
KEY = "state/notifier/cursor.json"
PLACE = f"s3://config/{KEY}"
ASIDE = "state/notifier/set-aside/cursor-20261120T081503.000000Z.json"
URL = "https://config.s3.amazonaws.com"

BUSY = s3_error("SlowDown", 503)
LOST = ReadTimeoutError(endpoint_url=URL)
DENIED = s3_error("AccessDenied", 403, "not authorized")


class Clock:
    """Time that only waits move."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.seconds += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def s3() -> FakeS3:
    return FakeS3()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    return record_log(monkeypatch, pipeline.state_s3, pipeline.connection_state)


def store_on(s3: FakeS3, clock: Clock | None = None) -> S3StateStore:
    clock = clock or Clock()

    def backoff() -> Backoff:
        return Backoff(0.1, 2.0, random.Random(1))

    return S3StateStore(s3.client, "config", "state/notifier", lambda: NOW, backoff, clock, clock.sleep)


@pytest.fixture
def store(s3: FakeS3, clock: Clock) -> S3StateStore:
    return store_on(s3, clock)


def test_the_first_save_asks_for_no_object_and_the_next_for_the_one_before(s3: FakeS3, store: S3StateStore) -> None:
    assert store.load("cursor", Cursor) is None
    store.save("cursor", Cursor(position=1))
    store.save("cursor", Cursor(position=2))
    assert s3.calls == 3
    assert store_on(s3).load("cursor", Cursor) == Cursor(position=2)


def test_a_second_writer_is_noticed_by_each_and_overwrites_nothing_unseen(s3: FakeS3, store: S3StateStore) -> None:
    other = store_on(s3)
    store.save("cursor", Cursor(position=1))
    assert other.load("cursor", Cursor) == Cursor(position=1)
    other.save("cursor", Cursor(position=2))
    with pytest.raises(StateConflict) as caught:
        store.save("cursor", Cursor(position=3))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{PLACE}: expected an object that can be written, got: PreconditionFailed: ")
    assert str(caught.value).endswith("; somebody else writes it, or it was not loaded")
    # a conflict stays one until the caller has looked
    with pytest.raises(StateConflict):
        store.save("cursor", Cursor(position=3))
    assert store.load("cursor", Cursor) == Cursor(position=2)
    store.save("cursor", Cursor(position=3))
    with pytest.raises(StateConflict):
        other.save("cursor", Cursor(position=4))


def test_two_first_writers_cannot_both_be_first(s3: FakeS3, store: S3StateStore) -> None:
    other = store_on(s3)
    assert store.load("cursor", Cursor) is None
    assert other.load("cursor", Cursor) is None
    other.save("cursor", Cursor(position=1))
    with pytest.raises(StateConflict):
        store.save("cursor", Cursor(position=2))


def test_what_was_never_loaded_is_not_overwritten(s3: FakeS3, store: S3StateStore) -> None:
    store.save("cursor", Cursor(position=1))
    with pytest.raises(StateConflict):
        store_on(s3).save("cursor", Cursor(position=2))


def test_an_object_that_somebody_deleted_is_a_conflict_and_then_a_first_save(s3: FakeS3, store: S3StateStore) -> None:
    store.save("cursor", Cursor(position=1))
    del s3.objects[KEY]
    with pytest.raises(
        StateConflict, match=r"^s3://config/state/notifier/cursor\.json: expected the object with ETag "
    ):
        store.save("cursor", Cursor(position=2))
    assert store.load("cursor", Cursor) is None
    store.save("cursor", Cursor(position=3))
    assert store.load("cursor", Cursor) == Cursor(position=3)


@pytest.mark.parametrize(
    "fault",
    [
        BUSY,
        s3_error("ConditionalRequestConflict", 409),
        s3_error("OperationAborted", 409),
        EndpointConnectionError(endpoint_url=URL),
    ],
    ids=["busy", "two writes at once", "aborted", "unreachable"],
)
def test_what_passes_is_tried_again(s3: FakeS3, store: S3StateStore, clock: Clock, fault: Exception) -> None:
    s3.faults = [fault] * 3
    store.save("cursor", Cursor(position=1))
    assert [round(wait, 3) <= ceiling for wait, ceiling in zip(clock.waits, [0.1, 0.2, 0.4], strict=True)] == [True] * 3
    s3.faults = [fault] * 3
    assert store.load("cursor", Cursor) == Cursor(position=1)


def test_an_outage_ends_a_save_in_time_is_told_once_and_the_next_save_goes_on(
    s3: FakeS3, store: S3StateStore, clock: Clock, log: RecordingLog
) -> None:
    store.save("cursor", Cursor(position=1))
    for _ in range(3):
        s3.faults = [BUSY] * 1000
        began = clock()
        with pytest.raises(StateNotSaved, match=r"^state cursor in s3://config/state/notifier: .* got: SlowDown: "):
            store.save("cursor", Cursor(position=2))
        assert clock() - began <= PATIENCE_SECONDS
    assert log.events == ["cannot be reached, trying again"]
    s3.faults = []
    store.save("cursor", Cursor(position=3))
    assert log.events[1:] == ["reachable again"]
    assert store.load("cursor", Cursor) == Cursor(position=3)


def test_an_outage_ends_a_load_in_time_and_says_that_nothing_is_known(
    s3: FakeS3, store: S3StateStore, clock: Clock
) -> None:
    s3.faults = [BUSY] * 1000
    began = clock()
    with pytest.raises(Unavailable, match=rf"^{PLACE}: expected an object that can be read, got: SlowDown: "):
        store.load("cursor", Cursor)
    assert clock() - began <= PATIENCE_SECONDS


def test_a_wait_never_reaches_beyond_the_deadline(s3: FakeS3, store: S3StateStore, clock: Clock) -> None:
    s3.faults = [BUSY] * 1000
    with pytest.raises(Unavailable):
        store.load("cursor", Cursor)
    assert sum(clock.waits) == pytest.approx(PATIENCE_SECONDS)


def test_what_never_passes_is_a_mistake_at_the_start_and_not_saved_later(
    s3: FakeS3, store: S3StateStore, clock: Clock, log: RecordingLog
) -> None:
    s3.faults = [DENIED]
    with pytest.raises(UserMistake, match=rf"^{PLACE}: expected an object that can be read, got: AccessDenied: "):
        store.load("cursor", Cursor)
    s3.faults = [DENIED]
    with pytest.raises(StateNotSaved, match="AccessDenied: not authorized"):
        store.save("cursor", Cursor(position=1))
    assert clock.waits == []
    assert log.events == ["cannot be reached, trying again"]


def test_an_answer_that_was_lost_is_no_conflict(s3: FakeS3, store: S3StateStore) -> None:
    store.load("cursor", Cursor)
    s3.lost_answers = [LOST]
    store.save("cursor", Cursor(position=1))
    s3.lost_answers = [LOST]
    store.save("cursor", Cursor(position=2))
    assert store.load("cursor", Cursor) == Cursor(position=2)
    store.save("cursor", Cursor(position=3))


def test_a_save_given_up_that_took_effect_is_no_conflict_for_the_next(s3: FakeS3, store: S3StateStore) -> None:
    store.save("cursor", Cursor(position=1))
    s3.lost_answers = [LOST]
    s3.before_put = lambda: s3.faults.extend([BUSY] * 1000)
    with pytest.raises(StateNotSaved):
        store.save("cursor", Cursor(position=2))
    s3.faults, s3.before_put = [], lambda: None
    assert store_on(s3).load("cursor", Cursor) == Cursor(position=2)
    store.save("cursor", Cursor(position=3))
    assert store_on(s3).load("cursor", Cursor) == Cursor(position=3)


def test_another_writer_after_a_lost_answer_is_still_a_conflict(s3: FakeS3, store: S3StateStore) -> None:
    other = store_on(s3)
    store.save("cursor", Cursor(position=1))
    s3.lost_answers = [LOST]

    def another_writes_after_it() -> None:
        if s3.lost_answers:
            return
        s3.before_put = lambda: None
        other.load("cursor", Cursor)
        other.save("cursor", Cursor(position=9))

    s3.before_put = another_writes_after_it
    with pytest.raises(StateConflict):
        store.save("cursor", Cursor(position=2))
    assert store.load("cursor", Cursor) == Cursor(position=9)


@given(
    st.lists(st.tuples(st.sampled_from(["save", "save elsewhere"]), st.lists(st.sampled_from(["busy", "lost", "ok"]))))
)
def test_through_lost_answers_and_a_second_writer_nothing_unseen_is_overwritten(
    steps: list[tuple[str, list[str]]],
) -> None:
    s3 = FakeS3()
    mine, theirs = store_on(s3), store_on(s3)
    seen = {mine: -1, theirs: -1}
    written = -1
    for number, (step, answers) in enumerate(steps):
        store = mine if step == "save" else theirs
        s3.faults += [BUSY] * min(answers.count("busy"), 3)
        s3.lost_answers += [LOST] * min(answers.count("lost"), 3)
        try:
            store.save("cursor", Cursor(position=number))
            # it was allowed only on top of what this writer had seen
            assert seen[store] == written
        except StateConflict:
            assert seen[store] != written
            found = store.load("cursor", Cursor)
            assert found == Cursor(position=written)
            store.save("cursor", Cursor(position=number))
        seen[store] = written = number
        s3.faults.clear()
        s3.lost_answers.clear()
    assert store_on(s3).load("cursor", Cursor) == (Cursor(position=written) if steps else None)


@pytest.mark.parametrize(
    "content",
    [b"", b'{"kind":', b"\xff\x00", b'{"other": 1}', b" " * (LIMIT + 10)],
    ids=lambda content: repr(content[:20]),
)
def test_what_cannot_be_understood_is_copied_aside_with_one_line_and_replaced(
    s3: FakeS3, store: S3StateStore, log: RecordingLog, content: bytes
) -> None:
    s3.objects[KEY] = content
    assert store.load("cursor", Cursor) is None
    assert s3.objects == {KEY: content, ASIDE: content}
    ((level, event, values),) = log.lines
    assert (level, event) == ("warning", "state cannot be read, starting without it")
    assert (values["place"], values["outcome"]) == (PLACE, f"set aside as s3://config/{ASIDE}")
    store.save("cursor", Cursor(position=1))
    assert store.load("cursor", Cursor) == Cursor(position=1)
    assert s3.objects[ASIDE] == content


def test_starts_that_fail_again_and_again_set_one_object_aside_once(s3: FakeS3) -> None:
    s3.objects[KEY] = b"broken"
    for _ in range(5):
        assert store_on(s3).load("cursor", Cursor) is None
    assert s3.objects.keys() == {KEY, ASIDE}


@pytest.mark.parametrize(
    ("faults", "why"),
    [([DENIED], "AccessDenied: not authorized"), ([BUSY] * 1000, "SlowDown: ")],
    ids=["denied", "busy"],
)
def test_what_cannot_be_copied_aside_is_told_and_the_next_save_takes_its_place(
    s3: FakeS3,
    store: S3StateStore,
    log: RecordingLog,
    monkeypatch: pytest.MonkeyPatch,
    faults: list[Exception],
    why: str,
) -> None:
    s3.objects[KEY] = b"broken"
    find = s3.get_object

    def find_then_fail(**request: str) -> object:
        found = find(**request)
        s3.faults = list(faults)
        return found

    monkeypatch.setattr(s3, "get_object", find_then_fail)
    assert store.load("cursor", Cursor) is None
    s3.faults = []
    assert str(log.lines[0][2]["outcome"]).startswith(f"not set aside (s3://config/{ASIDE}: ")
    assert why in str(log.lines[0][2]["outcome"])
    store.save("cursor", Cursor(position=1))
    assert s3.objects.keys() == {KEY}


def test_a_writer_that_replaces_what_is_broken_at_the_same_time_is_a_conflict(
    s3: FakeS3, store: S3StateStore, log: RecordingLog
) -> None:
    s3.objects[KEY] = b"broken"
    assert store.load("cursor", Cursor) is None
    other = store_on(s3)
    other.load("cursor", Cursor)
    other.save("cursor", Cursor(position=9))
    with pytest.raises(StateConflict):
        store.save("cursor", Cursor(position=1))


def test_kinds_do_not_wait_for_each_other(s3: FakeS3, clock: Clock) -> None:
    stores: list[S3StateStore] = []

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        stores.pop().save("silences", Cursor(position=1))

    def backoff() -> Backoff:
        return Backoff(0.1, 2.0, random.Random(1))

    store = S3StateStore(s3.client, "config", "state/notifier", lambda: NOW, backoff, clock, sleep)
    stores.append(store)
    s3.faults = [BUSY]
    store.save("cursor", Cursor(position=1))
    assert s3.objects.keys() == {KEY, "state/notifier/silences.json"}


def test_a_closed_store_leaves_all_as_it_is(s3: FakeS3, store: S3StateStore) -> None:
    store.save("cursor", Cursor(position=1))
    store.close()
    assert store_on(s3).load("cursor", Cursor) == Cursor(position=1)
