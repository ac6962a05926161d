"""One object found, replaced on a condition, and copied; each of S3's errors told as what it is."""

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ParamValidationError

from pipeline.errors import NotThere, Unavailable, UserMistake
from pipeline.s3_object import (
    S3Changed,
    copy_s3_object,
    find_s3_object,
    replace_s3_object,
    split_s3_place,
)
from tests.support.fake_s3 import WRITTEN_AT, FakeS3, etag_of, s3_error

URL = "https://config.s3.amazonaws.com"


def test_a_find_tells_etag_and_time() -> None:
    found = find_s3_object(FakeS3(state=b"one").client, "config", "state", 100)
    assert (found.content, found.whole, found.etag, found.written_at) == (b"one", True, etag_of(b"one"), WRITTEN_AT)


@pytest.mark.parametrize(("length", "whole"), [(99, True), (100, True), (101, False), (1_000_000, False)])
def test_of_a_giant_a_part_is_read_and_it_is_told(length: int, whole: bool) -> None:
    s3 = FakeS3(state=b"x" * length)
    found = find_s3_object(s3.client, "config", "state", 100)
    assert (len(found.content), found.whole) == (min(length, 100), whole)
    assert s3.streams[0].closed
    assert s3.streams[0].taken <= 200_000


def test_an_object_is_replaced_only_where_it_is_the_one_that_was_meant() -> None:
    s3 = FakeS3()
    first = replace_s3_object(s3.client, "config", "state", b"one", None)
    second = replace_s3_object(s3.client, "config", "state", b"two", first)
    assert second == etag_of(b"two")
    for etag in (first, None):
        with pytest.raises(
            S3Changed, match=r"^s3://config/state: expected an object that can be written, got: Precond"
        ):
            replace_s3_object(s3.client, "config", "state", b"three", etag)
    assert s3.objects == {"state": b"two"}


def test_an_object_that_is_gone_has_changed_too() -> None:
    with pytest.raises(S3Changed) as caught:
        replace_s3_object(FakeS3().client, "config", "state", b"one", '"abc"')
    assert str(caught.value) == 's3://config/state: expected the object with ETag "abc", got none'


def test_a_copy_is_of_the_object_that_was_meant() -> None:
    s3 = FakeS3(state=b"one")
    copy_s3_object(s3.client, "config", "state", "copy", etag_of(b"one"))
    assert s3.objects == {"state": b"one", "copy": b"one"}
    with pytest.raises(S3Changed):
        copy_s3_object(s3.client, "config", "state", "copy", etag_of(b"two"))
    with pytest.raises(NotThere):
        copy_s3_object(s3.client, "config", "other", "copy", etag_of(b"one"))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (s3_error("ConditionalRequestConflict", 409), Unavailable),
        (s3_error("OperationAborted", 409), Unavailable),
        (s3_error("SlowDown", 503), Unavailable),
        (s3_error("InternalError", 500), Unavailable),
        (EndpointConnectionError(endpoint_url=URL), Unavailable),
        (s3_error("AccessDenied", 403), UserMistake),
        (s3_error("NoSuchBucket", 404), UserMistake),
        (s3_error("PermanentRedirect", 301), UserMistake),
        (s3_error("EntityTooLarge", 400), UserMistake),
        (s3_error("NotImplemented", 501), Unavailable),
        (NoCredentialsError(), UserMistake),
        (ParamValidationError(report="bad key"), UserMistake),
    ],
    ids=lambda value: value.response["Error"]["Code"] if isinstance(value, ClientError) else None,
)
def test_what_writing_may_answer(error: Exception, kind: type[Exception]) -> None:
    for write in (
        lambda s3: replace_s3_object(s3, "config", "state", b"one", None),
        lambda s3: copy_s3_object(s3, "config", "state", "copy", etag_of(b"old")),
    ):
        s3 = FakeS3(state=b"old")
        s3.faults = [error]
        with pytest.raises(kind, match=r"^s3://config/(state|copy): expected an object that can be written, got: "):
            write(s3.client)
        assert s3.objects == {"state": b"old"}


@pytest.mark.parametrize(
    ("place", "parts"),
    [
        ("s3://bucket/key", ("bucket", "key")),
        ("s3://my.bucket-1/a/b c.json", ("my.bucket-1", "a/b c.json")),
        ("s3://bucket/", None),
        ("s3://bucket", None),
        ("s3:/bucket/key", None),
        ("s3://B/key", None),
        ("bucket/key", None),
    ],
)
def test_a_place_is_a_bucket_and_a_key(place: str, parts: tuple[str, str] | None) -> None:
    assert split_s3_place(place) == parts
