"""Thresholds that were made for another model are told of, once and with both names."""

import pytest

import classifier.tuning
from classifier.settings import Settings
from classifier.tuning import warn_of_thresholds_for_another_model
from pipeline.settings import read_settings
from tests.support.recording_log import RecordingLog, record_log

GIVEN = {
    "AWS_REGION": "us-east-1",
    "POSTS_QUEUE_URL": "http://127.0.0.1/posts",
    "POSTS_DEAD_LETTER_QUEUE_URL": "http://127.0.0.1/posts-dlq",
    "ALERTS_QUEUE_URL": "http://127.0.0.1/alerts",
    "ENDPOINT_NAME": "tweet-alerts-test-model",
}


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    return record_log(monkeypatch, classifier.tuning)


def test_the_endpoints_name_stands_in_for_the_models() -> None:
    assert read_settings(Settings, GIVEN).model == "tweet-alerts-test-model"
    assert read_settings(Settings, GIVEN | {"MODEL_NAME": ""}).model == "tweet-alerts-test-model"
    assert read_settings(Settings, GIVEN | {"MODEL_NAME": "minilm"}).model == "minilm"


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
