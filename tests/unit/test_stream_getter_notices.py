"""What stream-getter says about itself reaches the alerts queue, and the log in any case."""

from datetime import UTC, datetime

import pytest

from pipeline.contracts import Notice, Severity, decode_alert_or_notice
from stream_getter import notices
from stream_getter.notices import Notices
from tests.support.fake_queue_ends import FakeWriter
from tests.support.recording_log import record_log

NOW = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)


def test_a_notice_is_sent_and_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    log = record_log(monkeypatch, notices)
    writer = FakeWriter()
    Notices(writer, lambda: NOW).tell("spend", Severity.WARNING, "80 % are spent", {"share": 0.8})
    (sent,) = map(decode_alert_or_notice, writer.bodies)
    assert isinstance(sent, Notice)
    assert (sent.kind, sent.service, sent.severity, sent.text) == (
        "spend",
        "stream-getter",
        "warning",
        "80 % are spent",
    )
    assert (sent.at, sent.figures) == (NOW, {"share": 0.8})
    assert log.events == ["notice"]


def test_without_a_queue_the_log_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    log = record_log(monkeypatch, notices)
    Notices(None, lambda: NOW).tell("spend", Severity.INFO, "a new day")
    assert log.events == ["notice"]


def test_what_was_told_before_there_was_a_queue_reaches_it() -> None:
    notices = Notices(None, lambda: NOW)
    notices.tell("spend", Severity.INFO, "early")
    writer = FakeWriter()
    notices.send_by(writer)
    notices.tell("spend", Severity.INFO, "late")
    texts = [notice.text for notice in map(decode_alert_or_notice, writer.bodies) if isinstance(notice, Notice)]
    assert texts == ["early", "late"]
