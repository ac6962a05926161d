"""A changed configuration is brought into force or refused as a whole, and told once."""

from collections.abc import Callable
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError
from prometheus_client import CollectorRegistry

import pipeline.config_at_start
import pipeline.config_watch
import pipeline.connection_state
from pipeline.alerts_config import parse_alerts_config
from pipeline.config_at_start import ConfigInForce
from pipeline.config_places import ConfigPlaces
from pipeline.config_watch import SETTLE_SECONDS, ConfigMetrics, ConfigWatch
from pipeline.contracts import Notice, Severity
from pipeline.errors import UserMistake
from tests.support.examples import NOW
from tests.support.fake_s3 import FakeS3, s3_error
from tests.support.fake_ssm import FakeSsm
from tests.support.recorded_stop import RecordedStop
from tests.support.recording_log import RecordingLog, record_log

FIRST = """
labels: [{name: flood, threshold: 0.5}]
channels: {terminal: {type: stdout}}
routes: [{channels: [terminal]}]
"""
SECOND = FIRST.replace("0.5", "0.6")
WRONG = FIRST.replace("0.5", "5")
OBJECT = "s3://config/alerts.yaml"


class Stop(RecordedStop):
    """Calls ``during_wait`` in each wait that a look at something new makes, as somebody who writes meanwhile."""

    def __init__(self) -> None:
        super().__init__(ends_after=1_000_000)
        self.during_wait: Callable[[], object] = lambda: None

    def wait(self, timeout: float | None = None) -> bool:
        stopped = super().wait(timeout)
        self.during_wait()
        return stopped


class Bench:
    """A watch over places, of which one is a file and another an object of S3; ``applied`` is what came into force."""

    def __init__(self, file: Path, places: str) -> None:
        self.file = file
        self.s3 = FakeS3()
        self.stop = Stop()
        self.registry = CollectorRegistry()
        self.applied: list[ConfigInForce] = []
        self.refusal: UserMistake | None = None
        self.notices: list[Notice] = []
        self.file.write_text(FIRST)
        asked = ConfigPlaces(places, lambda: self.s3.client, FakeSsm)
        document = asked.read()
        self.first = ConfigInForce(parse_alerts_config(document.text, document.place), document)
        self.watch = ConfigWatch(
            asked,
            self.first,
            self._apply,
            ConfigMetrics(self.registry),
            self.stop,
            10.0,
            "notifier",
            lambda: NOW,
            self.notices.append,
        )

    def _apply(self, new: ConfigInForce) -> None:
        if self.refusal:
            raise self.refusal
        self.applied.append(new)

    def look_at(self, content: str) -> None:
        self.file.write_text(content)
        self.watch.look()

    @property
    def thresholds(self) -> list[float]:
        return [new.config.labels[0].threshold for new in self.applied]

    @property
    def told(self) -> list[tuple[str, Severity]]:
        return [(notice.kind, notice.severity) for notice in self.notices]

    def count(self, outcome: str) -> float | None:
        return self.registry.get_sample_value("config_reloads_total", {"outcome": outcome})

    @property
    def valid(self) -> float | None:
        return self.registry.get_sample_value("config_valid")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "alerts.yaml"


@pytest.fixture
def bench(file: Path) -> Bench:
    return Bench(file, str(file))


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    modules = (pipeline.config_watch, pipeline.config_at_start, pipeline.connection_state)
    return record_log(monkeypatch, *modules)


def test_what_has_not_changed_is_left_alone(bench: Bench, log: RecordingLog) -> None:
    for _ in range(3):
        bench.watch.look()
    assert (bench.applied, bench.notices, log.lines, bench.stop.waits) == ([], [], [], [])
    assert (bench.valid, bench.count("applied"), bench.count("refused")) == (1, 0, 0)


def test_a_change_comes_into_force_once_and_is_told_with_its_version(bench: Bench, log: RecordingLog) -> None:
    bench.look_at(SECOND)
    bench.watch.look()
    (new,) = bench.applied
    assert new.config.labels[0].threshold == 0.6
    assert (new.document.text, new.document.place) == (SECOND, str(bench.file))
    assert (bench.count("applied"), bench.valid) == (1, 1)
    (notice,) = bench.notices
    assert (notice.kind, notice.service, notice.severity, notice.at) == (
        "config in force",
        "notifier",
        Severity.INFO,
        NOW,
    )
    assert notice.text == f"{bench.file}, {new.document.version}, is in force (labels 1, channels 1, routes 1)"
    assert notice.figures == {"labels": 1, "channels": 1, "routes": 1}
    values = {"place": str(bench.file), "version": new.document.version, "labels": 1}
    assert log.lines == [("info", "configuration in force", values)]


def test_each_change_counts_also_one_that_was_in_force_before(bench: Bench) -> None:
    for content in (SECOND, FIRST, SECOND):
        bench.look_at(content)
    assert bench.thresholds == [0.6, 0.5, 0.6]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (WRONG, "labels[0].threshold: expected a number from 0 to 1, got 5"),
        (FIRST.replace("[terminal]", "[desk]"), "routes[0].channels: expected a channel of this file (terminal), got"),
        ("labels: [", "line 1: expected YAML, got: "),
        ("", "the file: expected "),
    ],
    ids=["value", "reference", "no YAML", "empty"],
)
def test_a_wrong_one_is_refused_with_its_reason_once_and_the_old_one_stays(
    bench: Bench, log: RecordingLog, content: str, reason: str
) -> None:
    for _ in range(3):
        bench.look_at(content)
    assert bench.applied == []
    assert (bench.count("refused"), bench.count("applied"), bench.valid) == (1, 0, 0)
    ((level, event, values),) = log.lines
    assert (level, event) == ("warning", "configuration refused, the old one stays in force")
    assert str(values["reason"]).startswith(f"{bench.file}: {reason}")
    assert str(values["version"]).startswith("sha256 ")
    assert values["in_force"] == f"{bench.file}, {bench.first.document.version}"
    (notice,) = bench.notices
    assert (notice.kind, notice.severity) == ("config refused", Severity.WARNING)
    assert notice.text == (
        f"{values['reason']}. It is refused; {bench.file}, {bench.first.document.version}, stays in force"
    )


def test_what_a_service_cannot_bring_into_force_is_refused_too(bench: Bench) -> None:
    bench.refusal = UserMistake("environment: SNS_TOPIC_ARN: expected the ARN of a topic, got nothing")
    bench.look_at(SECOND)
    assert (bench.count("refused"), bench.valid) == (1, 0)
    assert bench.notices[0].text.startswith(f"{bench.refusal}. It is refused; ")
    bench.refusal = None
    bench.watch.look()
    assert bench.applied == [], "what was refused was taken though it has not changed"
    bench.look_at(SECOND + "# again")
    assert bench.thresholds == [0.6]


def test_every_wrong_one_is_told(bench: Bench) -> None:
    bench.look_at(WRONG)
    bench.look_at(WRONG.replace("5", "7"))
    assert bench.told == [("config refused", Severity.WARNING)] * 2
    assert "got 7. " in bench.notices[1].text


def test_a_mended_one_is_told_as_such(bench: Bench) -> None:
    bench.look_at(WRONG)
    bench.look_at(SECOND)
    assert bench.thresholds == [0.6]
    assert bench.valid == 1
    assert bench.told == [("config refused", Severity.WARNING), ("config in force", Severity.INFO)]
    assert bench.notices[1].text.endswith(". What was refused is mended")
    bench.look_at(FIRST)
    assert not bench.notices[2].text.endswith("mended")


def test_the_old_one_put_back_mends_without_a_change(bench: Bench, log: RecordingLog) -> None:
    bench.look_at(WRONG)
    bench.look_at(FIRST)
    assert (bench.applied, bench.valid, bench.count("applied")) == ([], 1, 0)
    assert bench.told == [("config refused", Severity.WARNING), ("config in force", Severity.INFO)]
    assert bench.notices[1].text.endswith(". What was refused is mended")
    assert log.events == ["configuration refused, the old one stays in force", "configuration in force"]


def test_a_file_that_is_taken_away_is_refused_and_comes_back(bench: Bench) -> None:
    bench.file.unlink()
    for _ in range(2):
        bench.watch.look()
    (notice,) = bench.notices
    assert notice.text.startswith(f"{bench.file}: expected a readable file, got: No such file or directory. It is ")
    bench.look_at(FIRST)
    assert bench.told[1:] == [("config in force", Severity.INFO)]
    assert bench.applied == []


# While somebody writes


def test_half_a_file_is_not_a_configuration(bench: Bench) -> None:
    bench.stop.during_wait = lambda: bench.file.write_text(SECOND)
    half = SECOND + "# and whatever was going to follow"
    bench.look_at(half)
    assert bench.stop.waits == [SETTLE_SECONDS]
    assert (bench.applied, bench.notices) == ([], [])
    bench.watch.look()
    assert [new.document.text for new in bench.applied] == [SECOND]


def test_a_file_that_is_gone_while_it_is_replaced_is_not_refused(bench: Bench) -> None:
    bench.file.unlink()
    bench.stop.during_wait = lambda: bench.file.write_text(FIRST)
    for _ in range(2):
        bench.watch.look()
    assert (bench.notices, bench.valid) == ([], 1)


def test_what_is_renamed_over_the_file_counts(bench: Bench) -> None:
    other = bench.file.with_name("alerts.yaml.new")
    other.write_text(SECOND)
    other.rename(bench.file)
    bench.watch.look()
    assert bench.thresholds == [0.6]


def test_a_stop_within_a_look_ends_it(bench: Bench) -> None:
    bench.stop.during_wait = bench.stop.set
    bench.file.write_text(SECOND)
    bench.stop.set()
    bench.watch.look()
    assert bench.applied == []


def test_it_looks_once_a_period_until_the_stop(file: Path) -> None:
    bench = Bench(file, str(file))
    looks: list[int] = []

    def look() -> None:
        looks.append(1)
        if len(looks) == 3:
            bench.stop.set()

    bench.watch.look = look  # type: ignore[method-assign]
    bench.watch.run()
    assert bench.stop.waits == [10.0] * 4
    assert len(looks) == 3


# Other places


@pytest.fixture
def two(file: Path) -> Bench:
    return Bench(file, f"{OBJECT} {file}")


def test_an_object_that_is_put_takes_the_place_of_the_file_and_gives_it_back(two: Bench) -> None:
    two.s3.objects["alerts.yaml"] = SECOND.encode()
    two.watch.look()
    assert [new.document.place for new in two.applied] == [OBJECT]
    two.s3.objects.clear()
    two.watch.look()
    assert [new.document.place for new in two.applied] == [OBJECT, str(two.file)]


def test_the_same_words_in_another_place_change_nothing_but_what_is_logged(two: Bench, log: RecordingLog) -> None:
    two.s3.objects["alerts.yaml"] = FIRST.encode()
    two.watch.look()
    assert (two.applied, two.notices, two.count("applied")) == ([], [], 0)
    assert [(event, values["place"]) for _, event, values in log.lines] == [("configuration in force", OBJECT)]
    two.s3.objects["alerts.yaml"] = WRONG.encode()
    two.watch.look()
    assert f"It is refused; {OBJECT}, ETag " in two.notices[0].text


def test_a_place_that_cannot_be_reached_changes_nothing_and_is_logged_once(two: Bench, log: RecordingLog) -> None:
    two.s3.faults = [
        EndpointConnectionError(endpoint_url="https://config.s3.amazonaws.com"),
        s3_error("SlowDown", 503),
        s3_error("InternalError", 500),
    ]
    for _ in range(4):
        two.watch.look()
    assert (two.applied, two.notices, two.valid) == ([], [], 1)
    assert log.events == ["cannot be reached, trying again", "reachable again"]


def test_an_outage_between_the_two_looks_at_a_change_only_delays_it(two: Bench) -> None:
    two.s3.objects["alerts.yaml"] = SECOND.encode()
    two.stop.during_wait = lambda: two.s3.faults.append(s3_error("SlowDown", 503))
    two.watch.look()
    assert two.applied == []
    two.stop.during_wait = lambda: None
    two.watch.look()
    assert two.thresholds == [0.6]


def test_a_right_that_is_taken_away_is_refused_with_the_reason_and_mended_when_it_is_back(two: Bench) -> None:
    two.s3.faults = [s3_error("AccessDenied", 403) for _ in range(5)]
    for _ in range(4):
        two.watch.look()
    assert two.told == [("config refused", Severity.WARNING)]
    assert two.notices[0].text.startswith(f"{OBJECT}: expected an object that can be read, got: AccessDenied: ")
    two.s3.faults.clear()
    two.watch.look()
    assert two.told[1:] == [("config in force", Severity.INFO)]


def test_a_service_that_is_not_the_one_to_tell_still_refuses_and_counts(file: Path, log: RecordingLog) -> None:
    bench = Bench(file, str(file))
    asked = ConfigPlaces(str(file), lambda: bench.s3.client, FakeSsm)
    registry = CollectorRegistry()
    watch = ConfigWatch(
        asked,
        bench.first,
        bench.applied.append,
        ConfigMetrics(registry),
        bench.stop,
        10.0,
        "classifier",
        lambda: NOW,
    )
    file.write_text(WRONG)
    watch.look()
    assert registry.get_sample_value("config_valid") == 0
    assert log.events == ["configuration refused, the old one stays in force"]
    file.write_text(SECOND)
    watch.look()
    assert bench.thresholds == [0.6]
