"""One object in Amazon S3, read and replaced whole, and what S3's errors mean.

Amazon S3 API Reference: GetObject, PutObject, CopyObject, error responses; for ``replace_s3_object`` User Guide, "How
to prevent object overwrites with conditional writes".

To read needs ``s3:GetObject`` on the object, and ``s3:ListBucket`` on the bucket: without that one S3 answers "access
denied", not "no such key", for an object that is not there. To replace or copy needs ``s3:PutObject`` on the object
that is written, and ``s3:GetObject`` on the one that is compared or copied.
"""

import re
from contextlib import AbstractContextManager, closing
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError

from pipeline.aws_errors import error_code, explained, may_pass
from pipeline.errors import NotThere, Unavailable, UserMistake

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CHUNK_BYTES = 65_536
_PASSING = frozenset({"RequestTimeout", "SlowDown", "ConditionalRequestConflict", "OperationAborted"})
#: Amazon S3 User Guide, "General purpose bucket naming rules".
_PLACE = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(.+)")


class S3Changed(Exception):
    """Another object lies there than the one that was to be replaced, or none. Its message is one line."""


class S3Unchanged(Exception):
    """The object still has the ETag that the reader knows. Its message is one line."""


class S3Object(NamedTuple):
    """An object's content, and a text that changes with it: its version, or in a bucket without versions its ETag.

    ``etag`` is as ``read_s3_object`` takes it.
    """

    content: bytes
    version: str
    etag: str


class S3Find(NamedTuple):
    """An object as it was found. ``content`` is cut where the object is too long, and ``whole`` tells whether it is.

    ``etag`` is as ``replace_s3_object`` takes it; ``written_at`` has whole seconds, and is None where a server that is
    not S3 does not tell.
    """

    content: bytes
    whole: bool
    version: str
    etag: str
    written_at: datetime | None


def split_s3_place(place: str) -> tuple[str, str] | None:
    """Bucket and key of ``s3://bucket/key``; None for what is no such place."""
    match = _PLACE.fullmatch(place)
    return (match[1], match[2]) if match else None


def read_s3_object(s3: "S3Client", bucket: str, key: str, limit: int, known_etag: str | None = None) -> S3Object:
    """The object, if it has at most ``limit`` bytes.

    Raises S3Unchanged where it has ``known_etag``: then nothing was transferred. Raises NotThere where the bucket has
    no such key, Unavailable where the same call may succeed later, and UserMistake for everything else: access denied,
    no such bucket, another region, too large. Each message names the object.
    """
    found = find_s3_object(s3, bucket, key, limit, known_etag)
    if not found.whole:
        raise UserMistake(f"s3://{bucket}/{key}: expected at most {limit} bytes, got more")
    return S3Object(found.content, found.version, found.etag)


def find_s3_object(s3: "S3Client", bucket: str, key: str, limit: int, known_etag: str | None = None) -> S3Find:
    """The object, of which some ``limit`` bytes are read at most. Raises what ``read_s3_object`` does."""
    content = bytearray()
    with _explained(f"s3://{bucket}/{key}", "an object that can be read"):
        if known_etag is None:
            response = s3.get_object(Bucket=bucket, Key=key)
        else:
            response = s3.get_object(Bucket=bucket, Key=key, IfNoneMatch=known_etag)
        with closing(response["Body"]) as body:
            # read to its end in pieces: botocore then checks length and checksum, and a giant never fills the memory
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                content += chunk
                if len(content) > limit:
                    break
    version = _version(response.get("VersionId"), response["ETag"])
    return S3Find(
        bytes(content[:limit]), len(content) <= limit, version, response["ETag"], response.get("LastModified")
    )


def replace_s3_object(s3: "S3Client", bucket: str, key: str, content: bytes, etag: str | None) -> str:
    """Puts ``content`` in the place of the object with this ETag, or, with None, of none; the new one's ETag.

    Raises S3Changed where another object lies there, Unavailable where the same call may succeed later, and UserMistake
    for everything else. After Unavailable nobody knows whether the object was replaced.
    """
    place = f"s3://{bucket}/{key}"
    try:
        with _explained(place, "an object that can be written"):
            if etag is None:
                return s3.put_object(Bucket=bucket, Key=key, Body=content, IfNoneMatch="*")["ETag"]
            return s3.put_object(Bucket=bucket, Key=key, Body=content, IfMatch=etag)["ETag"]
    except NotThere as error:
        raise S3Changed(f"{place}: expected the object with ETag {etag}, got none") from error


def copy_s3_object(s3: "S3Client", bucket: str, key: str, to: str, etag: str) -> None:
    """Copies the object with this ETag to another key of its bucket. Raises what ``replace_s3_object`` does."""
    with _explained(f"s3://{bucket}/{to}", "an object that can be written"):
        s3.copy_object(Bucket=bucket, Key=to, CopySource={"Bucket": bucket, "Key": key}, CopySourceIfMatch=etag)


def _explained(place: str, expected: str) -> AbstractContextManager[None]:
    return explained(f"{place}: expected {expected}", _kind_of)


def _kind_of(error: ClientError) -> type[NotThere | S3Changed | S3Unchanged | Unavailable | UserMistake]:
    code = error_code(error)
    if code == "304":
        return S3Unchanged
    if code == "PreconditionFailed":
        return S3Changed
    # a bare 404 is not enough: it may be a proxy's, or of a server that is not S3
    if code == "NoSuchKey":
        return NotThere
    # 400 is also the status of RequestTimeout, and of what S3 passes on when KMS is busy; the conflicts are two writes
    # at the same time, of which S3 has decided nothing
    return Unavailable if may_pass(error) or code in _PASSING else UserMistake


def _version(version_id: str | None, etag: str) -> str:
    # S3 tells "null" of an object that was put before its bucket got versions
    return f"version {version_id}" if version_id and version_id != "null" else f"ETag {etag.strip(chr(34))}"
