"""One object read whole, and each of S3's errors told as what it is."""

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from pipeline.errors import NotThere, Unavailable, UserMistake
from pipeline.s3_object import S3Object, S3Unchanged, read_s3_object
from tests.support.fake_s3 import FakeS3, s3_error

LIMIT = 200_000


def read(s3: FakeS3, bucket: str = "config", key: str = "alerts") -> S3Object:
    return read_s3_object(s3.client, bucket, key, LIMIT)


def test_the_whole_content_is_read_and_the_body_closed() -> None:
    content = bytes(range(256)) * 700
    s3 = FakeS3(alerts=content)
    assert read(s3)[0] == content
    assert s3.streams[0].closed


def test_the_version_is_that_of_the_bucket_or_else_the_etag() -> None:
    s3 = FakeS3(alerts=b"one")
    etag = read(s3).version
    assert etag.startswith("ETag ")
    assert '"' not in etag
    s3.version_id = "null"
    assert read(s3)[1] == etag
    s3.version_id = "3HL4kqtJ"
    assert read(s3)[1] == "version 3HL4kqtJ"
    assert read(FakeS3(alerts=b"other"))[1] != etag


def test_an_object_that_the_reader_knows_is_not_transferred_again() -> None:
    s3 = FakeS3(alerts=b"one")
    known = read(s3).etag
    with pytest.raises(S3Unchanged):
        read_s3_object(s3.client, "config", "alerts", LIMIT, known)
    assert len(s3.streams) == 1
    s3.objects["alerts"] = b"two"
    assert read_s3_object(s3.client, "config", "alerts", LIMIT, known).content == b"two"


def test_an_object_of_the_limit_is_read_and_a_byte_more_refused_without_reading_on() -> None:
    assert len(read(FakeS3(alerts=bytes(LIMIT)))[0]) == LIMIT
    s3 = FakeS3(alerts=bytes(LIMIT * 100))
    with pytest.raises(UserMistake) as caught:
        read(s3)
    assert str(caught.value) == f"s3://config/alerts: expected at most {LIMIT} bytes, got more"
    assert s3.streams[0].taken < LIMIT * 2
    assert s3.streams[0].closed


def test_an_answer_that_is_cut_short_is_no_content() -> None:
    s3 = FakeS3(alerts=b"labels: [")
    s3.told_length = 1000
    with pytest.raises(Unavailable, match=r"^s3://config/alerts: expected an object that can be read, got: 9 read"):
        read(s3)


def test_a_key_that_is_not_there() -> None:
    with pytest.raises(NotThere) as caught:
        read(FakeS3(alerts=b""), key="other/alerts.yaml")
    assert str(caught.value) == (
        "s3://config/other/alerts.yaml: expected an object that can be read, "
        "got: NoSuchKey: The specified key does not exist."
    )


def test_a_bucket_that_is_not_there_is_a_mistake_and_not_an_absence() -> None:
    with pytest.raises(UserMistake, match=r"^s3://other/alerts: .* got: NoSuchBucket: ") as caught:
        read(FakeS3(), bucket="other")
    assert not isinstance(caught.value, NotThere)


@pytest.mark.parametrize(
    "error",
    [
        s3_error("AccessDenied", 403),
        s3_error("InvalidAccessKeyId", 403),
        s3_error("ExpiredToken", 400),
        s3_error("PermanentRedirect", 301),
        s3_error("InvalidObjectState", 403),
        s3_error("404", 404),
        NoCredentialsError(),
    ],
    ids=lambda error: error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__,
)
def test_what_waiting_does_not_mend_is_a_mistake(error: Exception) -> None:
    s3 = FakeS3(alerts=b"")
    s3.faults = [error]
    with pytest.raises(UserMistake, match=r"^s3://config/alerts: expected an object that can be read, got: ") as caught:
        read(s3)
    assert not isinstance(caught.value, NotThere)


@pytest.mark.parametrize(
    "error",
    [
        s3_error("SlowDown", 503),
        s3_error("InternalError", 500),
        s3_error("ServiceUnavailable", 503),
        s3_error("502", 502),
        s3_error("TooManyRequests", 429),
        s3_error("RequestTimeout", 400),
        s3_error("ThrottlingException", 400),
        s3_error("KMS.ThrottlingException", 400),
        EndpointConnectionError(endpoint_url="https://config.s3.amazonaws.com/alerts"),
        ReadTimeoutError(endpoint_url="https://config.s3.amazonaws.com/alerts"),
        CredentialRetrievalError(provider="container-role", error_msg="no answer"),
    ],
    ids=lambda error: error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__,
)
def test_what_may_pass_is_told_apart(error: ClientError | BotoCoreError) -> None:
    s3 = FakeS3(alerts=b"")
    s3.faults = [error]
    with pytest.raises(Unavailable, match=r"^s3://config/alerts: expected an object that can be read, got: "):
        read(s3)


def test_a_long_message_of_several_lines_becomes_one_short_line() -> None:
    s3 = FakeS3(alerts=b"")
    s3.faults = [s3_error("AccessDenied", 403, "not\nauthorized " * 500)]
    with pytest.raises(UserMistake) as caught:
        read(s3)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
