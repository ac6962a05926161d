"""Objects of Amazon S3 in memory, with the errors that S3 answers by, and faults on demand."""

import hashlib
import io
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from mypy_boto3_s3 import S3Client

#: When everything was written that lies there.
WRITTEN_AT = datetime(2026, 11, 20, 8, 15, 3, tzinfo=UTC)


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
    """One bucket, ``config``. ``faults`` are raised by the next calls, one each; ``told_length`` may be wrong.

    ``lost_answers`` are raised by the next puts after they took effect. ``before_put`` is called before a put looks at
    its condition, and ``calls`` counts all calls.
    """

    def __init__(self, **objects: bytes) -> None:
        self.objects: dict[str, bytes] = dict(objects)
        self.version_id: str | None = None
        self.faults: list[Exception] = []
        self.lost_answers: list[Exception] = []
        self.before_put: Callable[[], None] = lambda: None
        self.told_length: int | None = None
        self.streams: list[CountedStream] = []
        self.calls = 0

    @property
    def client(self) -> S3Client:
        """Itself, under the type that callers ask for."""
        return cast(S3Client, self)

    def get_object(self, *, Bucket: str, Key: str, IfNoneMatch: str | None = None) -> dict[str, Any]:  # noqa: N803 - as boto3 names them
        self._begin(Bucket)
        content = self._content(Key)
        if IfNoneMatch == etag_of(content):
            raise s3_error("304", 304, "Not Modified")
        stream = CountedStream(content)
        self.streams.append(stream)
        body = StreamingBody(stream, len(content) if self.told_length is None else self.told_length)
        version = {"VersionId": self.version_id} if self.version_id else {}
        return {"Body": body, "ETag": etag_of(content), "LastModified": WRITTEN_AT, **version}

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        IfMatch: str | None = None,  # noqa: N803
        IfNoneMatch: str | None = None,  # noqa: N803
    ) -> dict[str, Any]:
        self._begin(Bucket)
        self.before_put()
        there = etag_of(self.objects[Key]) if Key in self.objects else None
        if IfMatch is not None and there is None:
            raise s3_error("NoSuchKey", 404, "The specified key does not exist.")
        if (IfMatch is not None and there != IfMatch) or (IfNoneMatch == "*" and there is not None):
            raise s3_error("PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold")
        self.objects[Key] = Body
        if self.lost_answers:
            raise self.lost_answers.pop(0)
        return {"ETag": etag_of(Body)}

    def copy_object(self, *, Bucket: str, Key: str, CopySource: Any, CopySourceIfMatch: str) -> dict[str, Any]:  # noqa: N803
        self._begin(Bucket)
        content = self._content(CopySource["Key"])
        if etag_of(content) != CopySourceIfMatch:
            raise s3_error("PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold")
        self.objects[Key] = content
        return {"CopyObjectResult": {"ETag": etag_of(content)}}

    def _begin(self, bucket: str) -> None:
        self.calls += 1
        if self.faults:
            raise self.faults.pop(0)
        if bucket != "config":
            raise s3_error("NoSuchBucket", 404, "The specified bucket does not exist")

    def _content(self, key: str) -> bytes:
        if key not in self.objects:
            raise s3_error("NoSuchKey", 404, "The specified key does not exist.")
        return self.objects[key]


def etag_of(content: bytes) -> str:
    """An ETag with its quotation marks, as S3 gives it."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'
