"""What is said of a queue: its changes once, and its trouble for as long as it lasts."""

import pytest

import pipeline.connection_state
from pipeline.connection_state import ConnectionState
from tests.support.recording_log import RecordingLog, record_log


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    return record_log(monkeypatch, pipeline.connection_state)


def test_it_starts_as_not_reached_yet() -> None:
    assert ConnectionState("queue posts").trouble() == "not reached yet"


def test_a_first_success_is_no_news(log: RecordingLog) -> None:
    state = ConnectionState("queue posts")
    state.reached()
    assert (state.trouble(), log.lines) == (None, [])


def test_each_outage_is_logged_once_and_so_is_its_end(log: RecordingLog) -> None:
    state = ConnectionState("queue posts")
    for _ in range(2):
        state.failed("refused")
        state.failed("timed out")
        state.reached()
        state.reached()
    outage = ("warning", "cannot be reached, trying again", {"what": "queue posts", "reason": "refused"})
    end = ("info", "reachable again", {"what": "queue posts"})
    assert log.lines == [outage, end, outage, end]


def test_the_trouble_is_the_latest_reason(log: RecordingLog) -> None:
    state = ConnectionState("queue posts")
    state.failed("refused")
    state.failed("timed out")
    assert state.trouble() == "timed out"
