"""Reading JSON lines of posts, so that a broken line is told before playing starts."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from simulator.clock import unix_seconds
from simulator.payload import Payload, post_ids_in
from simulator.settings import Mistake


class PayloadError(ValueError):
    """A JSON value that is not a stream payload; the message says what was expected and what was found."""


def load_lines(paths: Iterable[Path], *, need_created_at: bool) -> list[bytes]:
    """The checked lines of all files, in order, undecoded: decoded posts would take ten times the memory.

    Blank lines are left out. Raises Mistake with file and line number for the first line that cannot be
    played.
    """
    lines: list[bytes] = []
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise Mistake(f"--posts {path}: expected a readable file, found: {error.strerror}") from error
        for number, line in enumerate(content.split(b"\n"), start=1):
            if not line.strip():
                continue
            try:
                payload = payload_of_line(line)
                if need_created_at:
                    recorded_at(payload)
            except PayloadError as error:
                raise Mistake(f"--posts {path}, line {number}: {error}") from error
            lines.append(line)
    return lines


def payload_of_line(line: bytes) -> Payload:
    """The payload of a line, which is either a payload or {"post": payload, ...}. Raises PayloadError."""
    try:
        decoded = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PayloadError(f"expected JSON, found: {error}") from error
    if isinstance(decoded, dict) and "post" in decoded:
        decoded = decoded["post"]
    return check_payload(decoded)


def check_payload(value: Any) -> Payload:
    """The value when the simulator can play it: data.id and data.text are strings. Raises PayloadError."""
    data = value.get("data") if isinstance(value, dict) else None
    if not isinstance(data, dict):
        raise PayloadError('expected a stream payload {"data": {...}, ...}, found no object "data"')
    for field in ("id", "text"):
        if not isinstance(data.get(field), str):
            raise PayloadError(f"expected a string in data.{field}, found {data.get(field)!r}"[:200])
    if not isinstance(value.get("includes", {}), dict):
        raise PayloadError(f"expected an object in includes, found {value['includes']!r}"[:200])
    try:
        post_ids_in(value)
    except (AttributeError, KeyError, TypeError) as error:
        raise PayloadError(f"expected posts in X's shape, found something else in their ids: {error!r}") from error
    return dict(value)


def recorded_at(payload: Payload) -> float:
    """UNIX seconds of data.created_at. Raises PayloadError when it is missing or no ISO 8601 timestamp."""
    created_at = payload["data"].get("created_at")
    try:
        return unix_seconds(created_at)
    except (TypeError, ValueError) as error:
        raise PayloadError(f"--pace recorded: expected ISO 8601 in data.created_at, found {created_at!r}") from error
