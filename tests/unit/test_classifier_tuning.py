"""Thresholds that were made for another model are told of, once and with both names."""

import pytest

import classifier.tuning
from classifier.tuning import warn_of_thresholds_for_another_model
from tests.support.recording_log import RecordingLog, record_log


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    return record_log(monkeypatch, classifier.tuning)


def test_another_model_is_one_warning_with_both_names(log: RecordingLog) -> None:
    warn_of_thresholds_for_another_model("minilm", "deberta", "s3://config/alerts.yaml")
    ((level, event, values),) = log.lines
    assert level == "warning"
    assert 'must be set anew: docs/deploy.md, "Another model"' in event
    assert values == {"place": "s3://config/alerts.yaml", "tuned_for": "minilm", "model": "deberta"}


@pytest.mark.parametrize("tuned_for", ["minilm", None])
def test_the_same_model_or_none_named_is_nothing_to_tell(log: RecordingLog, tuned_for: str | None) -> None:
    warn_of_thresholds_for_another_model(tuned_for, "minilm", "config/alerts.yaml")
    assert log.lines == []
