"""Settings: what is left out, what stands in for what, and each mistake in one line."""

import random
import threading

import pytest
from prometheus_client import CollectorRegistry

from classifier.judging import Judging
from classifier.labels import Labels, LabelSet
from classifier.metrics import Metrics
from classifier.settings import EndpointSettings, Settings
from pipeline.errors import UserMistake
from pipeline.settings import read_settings
from tests.support.classifier_parts import labels_of

GIVEN = {"AWS_REGION": "us-east-1", "ENDPOINT_NAME": "minilm-1"}
QUEUES = {
    "POSTS_QUEUE_URL": "http://127.0.0.1/posts",
    "POSTS_DEAD_LETTER_QUEUE_URL": "http://127.0.0.1/posts-dlq",
    "ALERTS_QUEUE_URL": "http://127.0.0.1/alerts",
}


def judging(**given: str) -> Judging:
    return judging_by(labels_of(), **given)


def judging_by(labels: Labels, /, **given: str) -> Judging:
    settings = read_settings(EndpointSettings, GIVEN | given)
    return Judging(settings, labels, Metrics(CollectorRegistry()), random.Random(1), threading.Event())


def test_the_endpoints_name_stands_in_for_the_models() -> None:
    settings = read_settings(Settings, GIVEN | QUEUES | {"FALLBACK_ENDPOINT_NAME": "bart-1"})
    assert (settings.model, settings.fallback_model) == ("minilm-1", "bart-1")
    named = {"MODEL_NAME": "minilm", "FALLBACK_ENDPOINT_NAME": "bart-1", "FALLBACK_MODEL_NAME": "bart"}
    settings = read_settings(Settings, GIVEN | QUEUES | named)
    assert (settings.model, settings.fallback_model) == ("minilm", "bart")
    assert read_settings(Settings, GIVEN | QUEUES).fallback_model == ""


def test_there_is_a_line_for_each_endpoint_the_first_before_the_second() -> None:
    assert [(line.endpoint.name, line.endpoint.model) for line in judging().lines] == [("minilm-1", "minilm-1")]
    both = judging(FALLBACK_ENDPOINT_NAME="bart-1", FALLBACK_MODEL_NAME="bart", MODEL_NAME="minilm").lines
    assert [(line.endpoint.name, line.endpoint.model) for line in both] == [("minilm-1", "minilm"), ("bart-1", "bart")]
    assert not any(line.is_up for line in both)


def test_there_are_as_many_callers_as_calls_may_be_under_way_and_a_prober_for_each_endpoint() -> None:
    made = judging(WORKERS="3", FALLBACK_ENDPOINT_NAME="bart-1")
    assert list(made.callers(outcomes=None)) == ["caller-1", "caller-2", "caller-3"]  # type: ignore[arg-type]
    assert list(made.probers()) == ["prober of minilm-1", "prober of bart-1"]
    assert [line.limit.limit for line in made.lines] == [3, 3]


def test_a_prober_asks_about_a_few_labels_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    made = judging_by(labels_of(*({"name": f"label {number}"} for number in range(150))))
    probed: list[LabelSet] = []
    monkeypatch.setattr(made.lines[0], "keep_probing", lambda label_set, _stopping: probed.append(label_set()))
    made.probers()["prober of minilm-1"]()
    assert [len(each.candidates) for each in probed] == [10]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"WORKERS": "0"}, "WORKERS: expected a whole number from 1 up, got '0'"),
        ({"WORKERS": "many"}, "WORKERS: expected a whole number from 1 up, got 'many'"),
        ({"BATCH_TEXTS": "0"}, "BATCH_TEXTS: expected a whole number from 1 up, got '0'"),
        ({"BATCH_PAIRS": "-1"}, "BATCH_PAIRS: expected a whole number from 1 up, got '-1'"),
        ({"BATCH_WAIT_SECONDS": "0"}, "BATCH_WAIT_SECONDS: expected a number of seconds above 0, got '0'"),
        ({"CACHE_MB": "1.5"}, "CACHE_MB: expected a whole number from 1 up, got '1.5'"),
        ({"CACHE_SECONDS": "nan"}, "CACHE_SECONDS: expected a number of seconds above 0, got 'nan'"),
        ({"ENDPOINT_NAME": ""}, "ENDPOINT_NAME: expected a text that is not empty, got nothing"),
        (
            {"FALLBACK_ENDPOINT_NAME": "minilm-1"},
            "FALLBACK_ENDPOINT_NAME: expected another endpoint than ENDPOINT_NAME, got 'minilm-1'",
        ),
        (
            {"FALLBACK_MODEL_NAME": "bart"},
            "FALLBACK_ENDPOINT_NAME: expected the endpoint that has the model of FALLBACK_MODEL_NAME, got nothing",
        ),
    ],
)
def test_a_mistake_is_one_line(given: dict[str, str], line: str) -> None:
    with pytest.raises(UserMistake) as caught:
        judging(**given)
    assert str(caught.value) == f"environment: {line}"


def test_trouble_is_told_only_where_no_endpoint_can_be_asked() -> None:
    made = judging(FALLBACK_ENDPOINT_NAME="bart-1")
    assert made.trouble() == "not reached yet"
    made.lines[0].state.failed("503: down")
    assert made.trouble() == "503: down"
    made.lines[1].state.reached()
    assert made.trouble() is None
