"""What every store of state promises, wherever it keeps it; and which store a setting leads to."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import pipeline.connection_state
import pipeline.state_file
import pipeline.state_places
import pipeline.state_s3
import pipeline.state_store
from pipeline.backoff import Backoff
from pipeline.errors import UserMistake
from pipeline.state_file import FileStateStore
from pipeline.state_places import open_state_store
from pipeline.state_s3 import S3StateStore
from pipeline.state_store import MemoryStateStore, StateNotSaved, StateStore, timestamp
from tests.support.fake_s3 import FakeS3
from tests.support.recording_log import RecordingLog, record_log
from tests.support.state_contents import Cursor, CursorOfTomorrow, CursorWithMore, Silences

NOW = datetime(2026, 11, 20, 8, 15, 3, 250_000, tzinfo=UTC)
UNREADABLE = "state cannot be read, starting without it"

Open = Callable[[], StateStore]


def in_s3(fake: FakeS3) -> S3StateStore:
    def never(seconds: float) -> None:
        raise AssertionError(f"a wait of {seconds} s that nothing calls for")

    def backoff() -> Backoff:
        return Backoff(0.1, 2.0, random.Random(1))

    return S3StateStore(fake.client, "config", "state/notifier", lambda: NOW, backoff, sleep=never)


@pytest.fixture(params=["memory", "file", "S3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> StateStore:
    if request.param == "memory":
        return MemoryStateStore(lambda: NOW)
    return FileStateStore(tmp_path / "notifier", lambda: NOW) if request.param == "file" else in_s3(FakeS3())


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    return record_log(
        monkeypatch,
        pipeline.state_store,
        pipeline.state_file,
        pipeline.state_s3,
        pipeline.state_places,
        pipeline.connection_state,
    )


def test_at_first_there_is_nothing(store: StateStore, log: RecordingLog) -> None:
    assert store.load("cursor", Cursor) is None
    assert log.lines == []


def test_what_was_saved_last_is_loaded(store: StateStore) -> None:
    store.load("cursor", Cursor)
    for position in range(3):
        store.save("cursor", Cursor(position=position, name="Valparaíso"))
    assert store.load("cursor", Cursor) == Cursor(position=2, name="Valparaíso")


def test_each_kind_is_kept_by_itself(store: StateStore) -> None:
    store.save("cursor", Cursor(position=1))
    store.save("silences", Silences(labels=["flood"]))
    assert store.load("cursor", Cursor) == Cursor(position=1)
    assert store.load("silences", Silences) == Silences(labels=["flood"])
    assert store.load("stories", Cursor) is None


def test_services_of_different_age_read_each_others_content(store: StateStore) -> None:
    store.save("cursor", CursorWithMore(position=1, backlog=3))
    assert store.load("cursor", Cursor) == Cursor(position=1)
    store.save("cursor", Cursor(position=2))
    assert store.load("cursor", CursorWithMore) == CursorWithMore(position=2, backlog=7)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (CursorOfTomorrow(position=1), "expected at most version 1, got 2"),
        (Silences(labels=[]), "expected state of kind 'cursor', got: Object missing required field `position`"),
    ],
    ids=["a newer version", "other content"],
)
def test_what_cannot_be_understood_is_told_once_and_makes_way(
    store: StateStore, log: RecordingLog, content: Any, reason: str
) -> None:
    store.save("cursor", content)
    assert store.load("cursor", Cursor) is None
    ((level, event, values),) = log.lines
    assert (level, event) == ("warning", UNREADABLE)
    assert str(values["reason"]).startswith(reason)
    store.save("cursor", Cursor(position=5))
    assert store.load("cursor", Cursor) == Cursor(position=5)
    assert len(log.lines) == 1


def test_what_cannot_be_kept_replaces_nothing_and_is_told_once(store: StateStore, log: RecordingLog) -> None:
    store.save("cursor", Cursor(position=1))
    for _ in range(3):
        with pytest.raises(StateNotSaved, match=r"^state cursor in .*expected state of kind 'cursor', got: "):
            store.save("cursor", Cursor(position=2, spent=float("nan")))
    assert store.load("cursor", Cursor) == Cursor(position=1)
    assert log.events == ["cannot be reached, trying again"]
    store.save("cursor", Cursor(position=3))
    assert log.events[1:] == ["reachable again"]


@pytest.mark.parametrize("kind", ["", "a/b", "..", "Cursor", "-a", "a.json", "a" * 64, "é", "a\n"])
def test_a_kind_is_a_plain_name(store: StateStore, kind: str) -> None:
    with pytest.raises(ValueError, match=r"^expected a kind of lower-case letters, digits and hyphens, got "):
        store.save(kind, Cursor(position=1))
    with pytest.raises(ValueError, match=r"^expected a kind of "):
        store.load(kind, Cursor)


def test_names_of_what_was_set_aside_are_in_the_order_of_time() -> None:
    moments = [NOW.replace(year=2025), NOW, NOW.replace(microsecond=250_001), NOW.replace(second=4)]
    assert sorted(timestamp(moment) for moment in moments) == [timestamp(moment) for moment in moments]


class AnyOrder(RuleBasedStateMachine):
    """Saves, loads and restarts in any order, held against a dictionary."""

    store: StateStore

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[str, Cursor] = {}

    def reopen(self) -> StateStore:
        raise NotImplementedError

    @initialize()
    def start(self) -> None:
        self.store = self.reopen()

    @rule(kind=st.sampled_from(["cursor", "cursor-2", "spend"]), position=st.integers(0, 2**53), name=st.text("aé\n\0"))
    def save(self, kind: str, position: int, name: str) -> None:
        self.store.load(kind, Cursor)
        self.model[kind] = Cursor(position=position, name=name)
        self.store.save(kind, self.model[kind])

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = self.reopen()

    @invariant()
    def all_is_there(self) -> None:
        if hasattr(self, "store"):
            kinds = ("cursor", "cursor-2", "spend")
            there = {kind: self.store.load(kind, Cursor) for kind in kinds}
            assert {kind: content for kind, content in there.items() if content} == self.model

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()


def test_files_hold_what_was_saved_through_any_order_of_saves_and_restarts(tmp_path_factory: Any) -> None:
    class InFiles(AnyOrder):
        def __init__(self) -> None:
            super().__init__()
            self.folder = tmp_path_factory.mktemp("state")

        def reopen(self) -> StateStore:
            return FileStateStore(self.folder, lambda: NOW)

    run(InFiles)


def test_objects_hold_what_was_saved_through_any_order_of_saves_and_restarts() -> None:
    class InObjects(AnyOrder):
        def __init__(self) -> None:
            super().__init__()
            self.fake = FakeS3()

        def reopen(self) -> StateStore:
            return in_s3(self.fake)

    run(InObjects)


def run(machine: type[AnyOrder]) -> None:
    case = machine.TestCase
    case.settings = settings(
        max_examples=30, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    case("runTest").runTest()


def no_client() -> Any:
    raise AssertionError("no S3 is needed here")


def opened(place: str, s3: Callable[[], Any] = no_client) -> StateStore:
    return open_state_store(place, "notifier", s3, random.Random(1), lambda: NOW)


def test_no_place_is_memory_and_one_line_says_so(log: RecordingLog) -> None:
    store = opened("")
    assert isinstance(store, MemoryStateStore)
    store.load("cursor", Cursor)
    store.load("cursor", Cursor)
    assert log.lines == [("info", "state is kept in memory only, and every start is a first one", {})]


def test_a_folder_is_files_in_one_of_the_services_own(tmp_path: Path) -> None:
    store = opened(f"{tmp_path}/state")
    store.save("cursor", Cursor(position=1))
    assert (tmp_path / "state/notifier/cursor.json").is_file()


@pytest.mark.parametrize("place", ["s3://config/state", "s3://config/state/"])
def test_a_prefix_is_objects_below_the_services_name(place: str) -> None:
    fake = FakeS3()
    opened(place, lambda: fake.client).save("cursor", Cursor(position=1))
    assert fake.objects.keys() == {"state/notifier/cursor.json"}


@pytest.mark.parametrize(
    "place", ["s3://config", "s3://config/", "s3:/config/state", "https://a/b", "S3://config/state"]
)
def test_what_only_looks_like_a_place_in_s3_is_a_mistake_and_makes_no_folder(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserMistake) as caught:
        opened(place)
    assert str(caught.value) == f"environment: STATE: expected a folder or s3://bucket/prefix, got {place!r}"
    assert list(tmp_path.iterdir()) == []


@given(st.text(min_size=1, max_size=20))
def test_no_text_is_worse_than_a_mistake(place: str) -> None:
    # below a file nothing can be made
    with pytest.raises(UserMistake):
        opened(f"{__file__}/{place}")
