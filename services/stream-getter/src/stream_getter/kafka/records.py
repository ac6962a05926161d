"""A record of a topic to a Post."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from pipeline.contracts import Post
from stream_getter.contract_json import NotAPost, parse_contract_post, tidied
from stream_getter.kafka.fields import FieldMap

#: Bytes of one record.
RECORD_LIMIT = 4 * 1024 * 1024


class Record(Protocol):
    """What is read of kafka-python's ConsumerRecord. ``timestamp`` is in ms since 1970, -1 where there is none."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    value: bytes | None


def parse_record(
    record: Record, fields: FieldMap | None, received_at: datetime, new_trace_id: Callable[[], str]
) -> Post:
    """The post in a record: by the field map, or without one a Post of our contract. Raises NotAPost."""
    if record.value is None:
        raise NotAPost("no value", "a tombstone")
    if len(record.value) > RECORD_LIMIT:
        raise NotAPost("too long", f"more than {RECORD_LIMIT} bytes")
    if fields is None:
        return parse_contract_post(record.value, "kafka", received_at, new_trace_id)
    own_place = f"kafka:{record.topic}/{record.partition}/{record.offset}"
    post = fields.post(_document(record.value), own_place, _time(record) or received_at, received_at)
    return tidied(post, "kafka", received_at, new_trace_id)


def _document(value: bytes) -> object:
    try:
        return json.loads(value.decode())
    except UnicodeDecodeError as error:
        raise NotAPost("not UTF-8") from error
    except ValueError as error:
        raise NotAPost("not JSON") from error
    except RecursionError as error:
        raise NotAPost("nested too deeply") from error


def _time(record: Record) -> datetime | None:
    if record.timestamp < 0:
        return None
    try:
        return datetime.fromtimestamp(record.timestamp / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
