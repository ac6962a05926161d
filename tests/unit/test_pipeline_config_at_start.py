"""The configuration that a service starts with: an outage is waited for within bounds, and the log tells of it."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError

import pipeline.config_at_start
import pipeline.connection_state
from pipeline.backoff import Backoff
from pipeline.config_at_start import PATIENCE_SECONDS, ConfigInForce, config_at_start
from pipeline.config_places import ConfigPlaces
from pipeline.errors import Unavailable, UserMistake
from tests.support.fake_s3 import FakeS3, s3_error
from tests.support.fake_ssm import FakeSsm
from tests.support.recording_log import RecordingLog, record_log

PLACE = "s3://config/alerts.yaml"
CONFIG = b"""
labels: [{name: flood, threshold: 0.5}, {name: wildfire, threshold: 0.5}]
channels: {terminal: {type: stdout}}
routes: [{channels: [terminal]}]
"""


class Time:
    """A clock that only sleeping sets forward."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sleeps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def s3() -> FakeS3:
    s3 = FakeS3()
    s3.objects["alerts.yaml"] = CONFIG
    s3.version_id = "v1"
    return s3


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    return record_log(monkeypatch, pipeline.config_at_start, pipeline.connection_state)


@pytest.fixture
def start(s3: FakeS3, time: Time) -> Callable[..., ConfigInForce]:
    def start(places: str = PLACE) -> ConfigInForce:
        backoff = Backoff(0.5, 10.0, random.Random(1))
        return config_at_start(ConfigPlaces(places, lambda: s3.client, FakeSsm), backoff, lambda: time.now, time.sleep)

    return start


def outage() -> EndpointConnectionError:
    return EndpointConnectionError(endpoint_url="https://config.s3.amazonaws.com")


def test_what_is_in_force_is_told(start: Callable[..., ConfigInForce], log: RecordingLog, time: Time) -> None:
    in_force = start()
    assert [label.name for label in in_force.config.labels] == ["flood", "wildfire"]
    assert (in_force.document.place, in_force.document.version) == (PLACE, "version v1")
    assert log.lines == []
    in_force.tell()
    assert log.lines == [("info", "configuration in force", {"place": PLACE, "version": "version v1", "labels": 2})]
    assert time.sleeps == []


def test_that_an_earlier_place_has_none_is_told_without_a_warning(
    start: Callable[..., ConfigInForce], s3: FakeS3, log: RecordingLog, tmp_path: Path
) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_bytes(CONFIG)
    s3.objects.clear()
    in_force = start(f"{PLACE} {file}")
    assert in_force.document.place == str(file)
    in_force.tell()
    (level, event, values), (_, told, its) = log.lines
    assert (level, event, values) == ("info", "no configuration there, the next place counts", {"place": PLACE})
    assert (told, its["place"]) == ("configuration in force", str(file))


def test_an_outage_is_waited_for_and_told_once(
    start: Callable[..., ConfigInForce], s3: FakeS3, log: RecordingLog, time: Time
) -> None:
    s3.faults = [outage(), s3_error("SlowDown", 503), outage()]
    assert start().document.version == "version v1"
    assert [level for level, _, _ in log.lines] == ["warning", "info"]
    assert log.events == ["cannot be reached, trying again", "reachable again"]
    assert str(log.lines[0][2]["reason"]).startswith(f"{PLACE}: ")
    # doubled, and jittered down to half
    assert all(half <= wait <= 2 * half for wait, half in zip(time.sleeps, (0.25, 0.5, 1.0), strict=True))


def test_an_outage_without_end_is_waited_for_within_bounds(
    start: Callable[..., ConfigInForce], s3: FakeS3, log: RecordingLog, time: Time
) -> None:
    s3.faults = [outage() for _ in range(1000)]
    with pytest.raises(Unavailable, match=f"^{PLACE}: expected an object that can be read, got: Could not connect"):
        start()
    assert time.now - 100.0 == pytest.approx(PATIENCE_SECONDS)
    assert s3.calls == len(time.sleeps) + 1
    assert log.events == ["cannot be reached, trying again"]


def test_a_mistake_is_not_waited_for(start: Callable[..., ConfigInForce], s3: FakeS3, time: Time) -> None:
    s3.faults = [s3_error("AccessDenied", 403)]
    with pytest.raises(UserMistake, match=f"^{PLACE}: .* got: AccessDenied: "):
        start()
    assert (s3.calls, time.sleeps) == (1, [])


def test_a_mistake_in_the_content_names_the_place_and_leads_nowhere_else(
    start: Callable[..., ConfigInForce], s3: FakeS3, log: RecordingLog, tmp_path: Path
) -> None:
    file = tmp_path / "alerts.yaml"
    file.write_bytes(CONFIG)
    s3.objects["alerts.yaml"] = CONFIG.replace(b"0.5", b"5", 1)
    with pytest.raises(UserMistake) as caught:
        start(f"{PLACE} {file}")
    assert str(caught.value) == f"{PLACE}: labels[0].threshold: expected a number from 0 to 1, got 5"
    assert log.lines == []
