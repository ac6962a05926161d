"""classifier and notifier as real processes, with their configuration in S3."""

import itertools
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import classifier.bootstrap
import classifier.settings
import pipeline.config_at_start
from demo.stack import service_environment
from pipeline.contracts import Alert, decode_alert_or_notice, encode
from pipeline.lifecycle import exit_with
from pipeline.settings import read_settings
from tests.support.emulator import Emulator
from tests.support.examples import a_post
from tests.support.misbehaving_server import MisbehavingServer, reset, respond, silence
from tests.support.polling import wait_until
from tests.support.service_process import (
    CONFIG,
    SECONDS,
    Run,
    Variables,
    asked,
    log_after_sigterm,
    mistake_of,
    running_services,
    variables_for,
)

NOWHERE = "http://127.0.0.1:9"
QUEUE = respond("200 OK", b'{"Attributes": {}}', {"Content-Type": "application/x-amz-json-1.0"})
SCORES = respond("200 OK", b'[{"sequence": "", "labels": ["flood"], "scores": [0.9]}]')
DENIED = respond("403 Forbidden", b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
BUSY = respond("503 Slow Down", b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>")
CONTENT = respond("200 OK", CONFIG.encode(), {"ETag": '"0123"'})

of_both = pytest.mark.parametrize("service", ["classifier", "notifier"])
of_classifier = pytest.mark.parametrize("service", ["classifier"])


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with running_services(tmp_path) as run:
        yield run


@pytest.fixture(scope="module")
def numbers() -> Iterator[int]:
    return itertools.count()


@pytest.fixture
def bucket(emulator: Emulator, numbers: Iterator[int]) -> str:
    """A new and empty bucket."""
    name = f"configuration-{next(numbers)}"
    emulator.client("s3").create_bucket(Bucket=name)
    return name


def put(emulator: Emulator, bucket: str, content: str) -> Any:
    return emulator.client("s3").put_object(Bucket=bucket, Key="alerts.yaml", Body=content.encode())


@pytest.fixture
def variables(service: str, emulator: Emulator) -> Iterator[Variables]:
    """All that the service needs, but for the place of its configuration; its queues are empty and answer at once."""
    with MisbehavingServer(SCORES) as endpoint, MisbehavingServer(QUEUE) as queues:
        yield variables_for(service, queues.url, "", endpoint.url) | {"AWS_ENDPOINT_URL_S3": emulator.url}


def has_started(variables: Variables) -> bool:
    response = asked(variables, "/startupz")
    return response is not None and response.status_code == 200


def events_of(process: Any, variables: Variables) -> dict[str, dict[str, Any]]:
    """What a service logged, by event, after it has come up and was ended."""
    wait_until(lambda: has_started(variables), "the service to have started", SECONDS)
    return {line["event"]: line for line in log_after_sigterm(process)}


@of_both
def test_a_service_runs_by_the_object_and_tells_its_version(
    run: Run, service: str, emulator: Emulator, bucket: str, variables: Variables
) -> None:
    emulator.client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = put(emulator, bucket, CONFIG)["VersionId"]
    variables |= {"ALERTS_CONFIG": f"s3://{bucket}/alerts.yaml"}
    told = events_of(run(service, variables), variables)["configuration in force"]
    assert told["level"] == "info"
    assert (told["place"], told["labels"]) == (f"s3://{bucket}/alerts.yaml", 1)
    assert told["version"] == f"version {version}"


@of_both
def test_until_the_object_is_there_the_file_counts(
    run: Run, service: str, emulator: Emulator, bucket: str, variables: Variables, tmp_path: Path
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/alerts.yaml").write_text(CONFIG)
    place = f"s3://{bucket}/alerts.yaml"
    variables |= {"ALERTS_CONFIG": f"{place} config/alerts.yaml"}

    events = events_of(run(service, variables), variables)
    assert events["configuration in force"]["place"] == "config/alerts.yaml"
    missing = events["no configuration there, the next place counts"]
    assert (missing["level"], missing["place"]) == ("info", place)

    etag = put(emulator, bucket, CONFIG)["ETag"]
    events = events_of(run(service, variables), variables)
    assert (events["configuration in force"]["place"], events["configuration in force"]["version"]) == (
        place,
        f"ETag {etag.strip(chr(34))}",
    )
    assert "no configuration there, the next place counts" not in events


@of_both
def test_a_mistake_in_the_object_is_one_line_whatever_file_there_is(
    run: Run, service: str, emulator: Emulator, bucket: str, tmp_path: Path
) -> None:
    (tmp_path / "alerts.yaml").write_text(CONFIG)
    place = f"s3://{bucket}/alerts.yaml"
    put(emulator, bucket, CONFIG.replace("0.5", "5"))
    variables = variables_for(service, NOWHERE, f"{place} alerts.yaml") | {"AWS_ENDPOINT_URL_S3": emulator.url}
    line = mistake_of(run(service, variables))
    assert line == f"{service}: {place}: labels[0].threshold: expected a number from 0 to 1, got 5"


@of_both
def test_a_bucket_that_is_not_there_is_one_line_whatever_file_there_is(
    run: Run, service: str, emulator: Emulator, tmp_path: Path
) -> None:
    (tmp_path / "alerts.yaml").write_text(CONFIG)
    place = "s3://no-such-bucket/alerts.yaml"
    variables = variables_for(service, NOWHERE, f"{place} alerts.yaml") | {"AWS_ENDPOINT_URL_S3": emulator.url}
    line = mistake_of(run(service, variables))
    assert line.startswith(f"{service}: {place}: expected an object that can be read, got: NoSuchBucket: ")


@of_both
def test_access_denied_is_one_line_whatever_file_there_is(run: Run, service: str, tmp_path: Path) -> None:
    (tmp_path / "alerts.yaml").write_text(CONFIG)
    place = "s3://configuration/alerts.yaml"
    with MisbehavingServer(DENIED) as s3:
        variables = variables_for(service, NOWHERE, f"{place} alerts.yaml") | {"AWS_ENDPOINT_URL_S3": s3.url}
        line = mistake_of(run(service, variables))
    assert line == (f"{service}: {place}: expected an object that can be read, got: AccessDenied: Access Denied")
    assert len(s3.requests) == 1


@of_both
def test_an_outage_at_the_start_is_waited_for(run: Run, service: str, variables: Variables) -> None:
    with MisbehavingServer(reset, BUSY, CONTENT) as s3:
        variables |= {"AWS_ENDPOINT_URL_S3": s3.url, "ALERTS_CONFIG": "s3://configuration/alerts.yaml"}
        variables |= {"CONFIG_RELOAD_SECONDS": "3600"}  # these requests are those of the start
        events = events_of(run(service, variables), variables)
    assert events["cannot be reached, trying again"]["level"] == "warning"
    assert events["configuration in force"]["version"] == "ETag 0123"
    assert len(s3.requests) == 3


@of_both
@pytest.mark.parametrize("answer", [reset, silence], ids=["while it waits to try again", "while it waits for S3"])
def test_sigterm_during_an_outage_ends_the_start_with_0(run: Run, service: str, answer: Any) -> None:
    with MisbehavingServer(BUSY, answer) as s3:
        variables = variables_for(service, NOWHERE, "s3://configuration/alerts.yaml") | {"AWS_ENDPOINT_URL_S3": s3.url}
        process = run(service, variables)
        s3.wait_for_requests(2)
        process.send_signal(signal.SIGTERM)
        _, stderr = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, stderr
    assert stderr.splitlines()[-1] == f"{service}: stopped before it had started"


@of_classifier
def test_an_outage_that_does_not_end_is_one_line_and_exit_code_1(
    service: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pipeline.config_at_start, "PATIENCE_SECONDS", 0.0)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    variables = variables_for(service, NOWHERE, "s3://configuration/alerts.yaml") | {"AWS_ENDPOINT_URL_S3": NOWHERE}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    settings = read_settings(classifier.settings.Settings, variables)
    try:
        with pytest.raises(SystemExit) as ended:
            exit_with(service, lambda: classifier.bootstrap.run(settings))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{service}: s3://configuration/alerts.yaml: expected an object that can be read, got: ")


@of_both
def test_thresholds_for_another_model_are_told_of_by_the_one_that_uses_them(
    run: Run, service: str, variables: Variables, tmp_path: Path
) -> None:
    (tmp_path / "alerts.yaml").write_text(f"{CONFIG}tuned_for: deberta\n")
    variables |= {"ALERTS_CONFIG": "alerts.yaml"}
    events = events_of(run(service, variables), variables)
    warnings = [line for line in events.values() if line["level"] == "warning"]
    told = [(line["tuned_for"], line["model"], line["place"]) for line in warnings]
    assert told == ([("deberta", "minilm", "alerts.yaml")] if service == "classifier" else [])


@of_classifier
def test_alerts_carry_the_models_name(
    run: Run, service: str, emulator: Emulator, stack: dict[str, str], variables: Variables, tmp_path: Path
) -> None:
    (tmp_path / "alerts.yaml").write_text(f"{CONFIG}tuned_for: deberta\n")
    variables |= service_environment(stack) | emulator.environment
    variables |= {"ALERTS_CONFIG": "alerts.yaml", "MODEL_NAME": "deberta"}
    sqs = emulator.client("sqs")
    sqs.send_message(QueueUrl=variables["POSTS_QUEUE_URL"], MessageBody=encode(a_post()))
    process = run(service, variables)
    bodies: list[str] = []

    def alert_has_come() -> bool:
        answer = sqs.receive_message(QueueUrl=variables["ALERTS_QUEUE_URL"])
        bodies.extend(message["Body"] for message in answer.get("Messages", []))
        return bool(bodies)

    wait_until(alert_has_come, "the alert", SECONDS)
    alert = decode_alert_or_notice(bodies[0])
    assert isinstance(alert, Alert)
    assert alert.model == "deberta"
    assert all(line["level"] == "info" for line in log_after_sigterm(process))
