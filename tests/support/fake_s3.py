"""Objects of Amazon S3 in memory, with the errors that S3 answers by, and faults on demand."""

import hashlib
import io
from typing import Any, cast

from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from mypy_boto3_s3 import S3Client


def s3_error(code: str, status: int, message: str = "as S3 says it") -> ClientError:
    """What botocore raises for an error answer of S3."""
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "GetObject",
    )


class CountedStream(io.BytesIO):
    """Knows how many bytes were taken from it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


class FakeS3:
    """One bucket, ``config``. ``faults`` are raised by the next calls, one each; ``told_length`` may be wrong."""

    def __init__(self, **objects: bytes) -> None:
        self.objects: dict[str, bytes] = dict(objects)
        self.version_id: str | None = None
        self.faults: list[Exception] = []
        self.told_length: int | None = None
        self.streams: list[CountedStream] = []
        self.calls = 0

    @property
    def client(self) -> S3Client:
        """Itself, under the type that callers ask for."""
        return cast(S3Client, self)

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - as boto3 names them
        self.calls += 1
        if self.faults:
            raise self.faults.pop(0)
        if Bucket != "config":
            raise s3_error("NoSuchBucket", 404, "The specified bucket does not exist")
        if Key not in self.objects:
            raise s3_error("NoSuchKey", 404, "The specified key does not exist.")
        content = self.objects[Key]
        stream = CountedStream(content)
        self.streams.append(stream)
        body = StreamingBody(stream, len(content) if self.told_length is None else self.told_length)
        etag = hashlib.sha256(content).hexdigest()[:32]
        version = {"VersionId": self.version_id} if self.version_id else {}
        return {"Body": body, "ETag": f'"{etag}"', **version}
