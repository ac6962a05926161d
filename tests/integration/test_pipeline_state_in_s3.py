"""State in S3 through boto3 and an emulator that honours conditional writes."""

import json
import random
import threading
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

import pipeline.state_s3
from pipeline.aws import aws_client
from pipeline.errors import Unavailable, UserMistake
from pipeline.state_places import open_state_store
from pipeline.state_s3 import READ_TIMEOUT
from pipeline.state_store import StateConflict, StateNotSaved, StateStore
from tests.support.emulator import Emulator
from tests.support.misbehaving_server import MisbehavingServer, reset, respond
from tests.support.recording_log import record_log
from tests.support.state_contents import Cursor

_numbers = count()


@pytest.fixture
def bucket(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    name = f"state-{next(_numbers)}"
    emulator.client("s3").create_bucket(Bucket=name)
    return name


def opened(bucket: str) -> StateStore:
    def client() -> Any:
        return aws_client("s3", "us-east-1", read_timeout=READ_TIMEOUT)

    return open_state_store(f"s3://{bucket}/state", "notifier", client, random.Random(1))


@pytest.fixture
def store(bucket: str) -> Iterator[StateStore]:
    store = opened(bucket)
    yield store
    store.close()


def test_what_was_saved_is_there_after_a_restart(emulator: Emulator, bucket: str, store: StateStore) -> None:
    assert store.load("cursor", Cursor) is None
    for position in range(3):
        store.save("cursor", Cursor(position=position, name="Valparaíso"))
    assert opened(bucket).load("cursor", Cursor) == Cursor(position=2, name="Valparaíso")
    there = emulator.client("s3").get_object(Bucket=bucket, Key="state/notifier/cursor.json")
    assert json.loads(there["Body"].read())["kind"] == "cursor"


def test_a_second_writer_is_noticed(bucket: str, store: StateStore) -> None:
    other = opened(bucket)
    assert store.load("cursor", Cursor) is other.load("cursor", Cursor) is None
    store.save("cursor", Cursor(position=1))
    with pytest.raises(StateConflict, match="PreconditionFailed"):
        other.save("cursor", Cursor(position=2))
    assert other.load("cursor", Cursor) == Cursor(position=1)
    other.save("cursor", Cursor(position=2))
    with pytest.raises(StateConflict, match="PreconditionFailed"):
        store.save("cursor", Cursor(position=3))


def test_of_many_writers_at_once_each_save_builds_on_the_one_before(bucket: str, store: StateStore) -> None:
    store.save("cursor", Cursor(position=0))

    def add_ten() -> None:
        mine = opened(bucket)
        for _ in range(10):
            while True:
                found = mine.load("cursor", Cursor)
                assert found is not None
                try:
                    mine.save("cursor", Cursor(position=found.position + 1))
                    break
                except StateConflict:
                    continue

    threads = [threading.Thread(target=add_ten) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.load("cursor", Cursor) == Cursor(position=40)


@pytest.mark.parametrize("versions", [False, True], ids=["without versions", "with versions"])
def test_what_is_broken_is_copied_aside_and_an_object_deleted_is_a_conflict(
    emulator: Emulator, bucket: str, store: StateStore, versions: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = emulator.client("s3")
    if versions:
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    log = record_log(monkeypatch, pipeline.state_s3)
    s3.put_object(Bucket=bucket, Key="state/notifier/cursor.json", Body=b"broken")
    assert store.load("cursor", Cursor) is None
    (line,) = log.lines
    aside = str(line[2]["outcome"]).removeprefix(f"set aside as s3://{bucket}/")
    assert s3.get_object(Bucket=bucket, Key=aside)["Body"].read() == b"broken"
    store.save("cursor", Cursor(position=1))
    s3.delete_object(Bucket=bucket, Key="state/notifier/cursor.json")
    with pytest.raises(StateConflict):
        store.save("cursor", Cursor(position=2))
    assert store.load("cursor", Cursor) is None
    store.save("cursor", Cursor(position=3))
    assert store.load("cursor", Cursor) == Cursor(position=3)


def test_a_bucket_that_is_not_there_is_one_line(bucket: str) -> None:
    store = opened("no-such-bucket")
    with pytest.raises(UserMistake, match=r"^s3://no-such-bucket/state/notifier/cursor\.json: .* got: NoSuchBucket: "):
        store.load("cursor", Cursor)
    with pytest.raises(StateNotSaved, match="NoSuchBucket"):
        store.save("cursor", Cursor(position=1))


def test_a_server_that_breaks_off_is_tried_again_until_the_patience_ends(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.state_s3, "PATIENCE_SECONDS", 0.3)
    with MisbehavingServer(reset) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        store = opened(bucket)
        with pytest.raises(Unavailable):
            store.load("cursor", Cursor)
        loads = len(server.requests)
        with pytest.raises(StateNotSaved):
            store.save("cursor", Cursor(position=1))
    assert loads > 1
    assert len(server.requests) > loads + 1


def test_a_save_goes_on_where_the_server_comes_back(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = respond("200 OK", b"", {"ETag": '"abc"'})
    with MisbehavingServer(reset, respond("503 Slow Down"), reset, saved) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        opened(bucket).save("cursor", Cursor(position=1))
    assert len(server.requests) == 4
    assert all("if-none-match: *" in request.lower() for request in server.requests)
