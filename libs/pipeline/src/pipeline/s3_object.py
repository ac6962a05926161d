"""One object in Amazon S3, read whole, and what S3's errors mean (Amazon S3 API Reference: GetObject, error responses).

Needs ``s3:GetObject`` on the object, and ``s3:ListBucket`` on the bucket: without that one S3 answers "access denied",
not "no such key", for an object that is not there.
"""

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)

from pipeline.errors import NotThere, Unavailable, UserMistake
from pipeline.text import cut

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CHUNK_BYTES = 65_536
_REASON_LENGTH = 300


class S3Object(NamedTuple):
    """An object's content, and a text that changes with it: its version, or in a bucket without versions its ETag."""

    content: bytes
    version: str


def read_s3_object(s3: "S3Client", bucket: str, key: str, limit: int) -> S3Object:
    """The object, if it has at most ``limit`` bytes.

    Raises NotThere where the bucket has no such key, Unavailable where the same call may succeed later, and UserMistake
    for everything else: access denied, no such bucket, another region, too large. Each message names the object.
    """
    place = f"s3://{bucket}/{key}"
    content = bytearray()
    try:
        response = s3.get_object(Bucket=bucket, Key=key)
        with closing(response["Body"]) as body:
            # read to its end in pieces: botocore then checks length and checksum, and a giant never fills the memory
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                content += chunk
                if len(content) > limit:
                    raise UserMistake(f"{place}: expected at most {limit} bytes, got more")
    except ClientError as error:
        raise _kind_of(error)(f"{place}: expected an object that can be read, got: {_reason(error)}") from error
    except (NoCredentialsError, PartialCredentialsError, ParamValidationError) as error:
        raise UserMistake(f"{place}: expected an object that can be read, got: {_one_line(str(error))}") from error
    except BotoCoreError as error:
        raise Unavailable(f"{place}: expected an object that can be read, got: {_one_line(str(error))}") from error
    return S3Object(bytes(content), _version(response.get("VersionId"), response["ETag"]))


def _kind_of(error: ClientError) -> type[NotThere | Unavailable | UserMistake]:
    code = _code(error)
    # a bare 404 is not enough: it may be a proxy's, or of a server that is not S3
    if code == "NoSuchKey":
        return NotThere
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    # 400 is also the status of RequestTimeout, and of what S3 passes on when KMS is busy
    if status >= 500 or status == 429 or code in {"RequestTimeout", "SlowDown"} or "Throttl" in code:
        return Unavailable
    return UserMistake


def _reason(error: ClientError) -> str:
    return _one_line(f"{_code(error)}: {error.response.get('Error', {}).get('Message', '')}")


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _one_line(text: str) -> str:
    return cut(" ".join(text.split()), _REASON_LENGTH)


def _version(version_id: str | None, etag: str) -> str:
    # S3 tells "null" of an object that was put before its bucket got versions
    return f"version {version_id}" if version_id and version_id != "null" else f"ETag {etag.strip(chr(34))}"
