"""What a StateStore holds: one owner's content, in an envelope that says what it is.

    {"kind": "stream-cursor", "v": 1, "saved_at": "2026-11-20T08:15:03Z", "content": {...}}

Services are deployed one at a time, so the rules are those of the messages (pipeline.contracts): unknown fields are
ignored, missing optional ones defaulted, and what an older reader would misread raises the content's VERSION. A newer
version than the reader's own, or another kind, is BrokenState like anything else that cannot be understood.
"""

from datetime import datetime
from typing import Annotated, ClassVar, TypeVar

import msgspec

from pipeline.text import cut

#: Bytes that one kind may have with its envelope: a small task must be able to hold it twice.
LIMIT = 16 * 1024 * 1024
_REASON_LENGTH = 300


class StateContent(msgspec.Struct, frozen=True, kw_only=True):
    """The base of what is kept; each owner derives one struct for each kind.

    An older VERSION is read by the same struct. Where its content would be misread, take another kind instead.
    """

    VERSION: ClassVar[int] = 1


C = TypeVar("C", bound=StateContent)


class BrokenState(ValueError):
    """Bytes that are no content of the kind and version asked for. Its message is one short line."""


class _Envelope(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    v: Annotated[int, msgspec.Meta(ge=1)]
    saved_at: datetime
    content: msgspec.Raw


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Envelope)


def seal(kind: str, content: StateContent, saved_at: datetime) -> bytes:
    """The envelope as bytes. Raises BrokenState for content that ``unseal`` would not give back: NaN, over LIMIT."""
    try:
        raw = msgspec.Raw(_encoder.encode(content))
        data = _encoder.encode(_Envelope(kind=kind, v=content.VERSION, saved_at=saved_at, content=raw))
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError) as error:
        raise BrokenState(f"content that JSON cannot hold: {_one_line(error)}") from error
    if len(data) > LIMIT:
        raise BrokenState(f"expected at most {LIMIT} bytes, got {len(data)}")
    # what cannot be read back must not replace what can
    unseal(data, kind, type(content))
    return data


def unseal(data: bytes, kind: str, content_type: type[C]) -> C:
    """The content of an envelope. Raises BrokenState."""
    if len(data) > LIMIT:
        raise BrokenState(f"expected at most {LIMIT} bytes, got more")
    try:
        envelope = _decoder.decode(data)
        if envelope.kind != kind:
            raise BrokenState(f"expected kind {kind!r}, got {cut(envelope.kind, 80)!r}")
        if envelope.v > content_type.VERSION:
            raise BrokenState(f"expected at most version {content_type.VERSION}, got {envelope.v}")
        return msgspec.json.decode(envelope.content, type=content_type)
    # msgspec recurses once for each level of nesting
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BrokenState(f"expected state of kind {kind!r}, got: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    return cut(" ".join(str(error).split()), _REASON_LENGTH)
