"""Which fields of foreign JSON a post is made of, by KAFKA_FIELDS: ``text=body author.name=user.name``."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from pipeline.contracts import VERSION, Author, Post
from pipeline.errors import UserMistake
from stream_getter.contract_json import NotAPost

#: What a post can be made of. All but the text may be missing.
TARGETS = (
    "id",
    "text",
    "quoted_text",
    "created_at",
    "lang",
    "url",
    "author.id",
    "author.username",
    "author.name",
    "author.followers",
)
#: UNIX times above these are in milliseconds, microseconds and nanoseconds: as seconds they lie beyond the year 5000.
_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))


class FieldMap:
    """Reads a post from decoded JSON by the paths of a field map. Path steps are keys, or places in a list."""

    def __init__(self, paths: Mapping[str, str]) -> None:
        self._paths = {target: tuple(path.split(".")) for target, path in paths.items()}

    @classmethod
    def parsed(cls, text: str) -> "FieldMap":
        """Of KAFKA_FIELDS. Raises UserMistake."""
        paths: dict[str, str] = {}
        for pair in text.split():
            target, _, path = pair.partition("=")
            if target not in TARGETS:
                raise _mistake(f"pairs such as text=body that begin with one of {', '.join(TARGETS)}", pair)
            if not all(path.split(".")):
                raise _mistake(f"the path of a field behind {target}=, such as {target}=user.name", pair)
            if target in paths:
                raise _mistake(f"each field once, {target} comes twice", pair)
            paths[target] = path
        if "text" not in paths:
            raise _mistake("a field for text, such as text=body", text)
        return cls(paths)

    def post(self, document: object, default_id: str, default_time: datetime, received_at: datetime) -> Post:
        """The post in this JSON document; it is not cleaned or bounded yet. Raises NotAPost."""
        text = self._found(document, "text")
        if not isinstance(text, str):
            raise NotAPost("no text", f"nothing at {'.'.join(self._paths['text'])}")
        id_ = self._text(document, "id")
        followers = self._found(document, "author.followers")
        return Post(
            v=VERSION,
            id=f"kafka:{id_}" if id_ else default_id,
            source="kafka",
            text=text,
            quoted_text=self._text(document, "quoted_text"),
            author=Author(
                id=self._text(document, "author.id"),
                username=self._text(document, "author.username"),
                name=self._text(document, "author.name"),
                followers=followers if _is_number(followers) and isinstance(followers, int) else None,
            ),
            url=self._text(document, "url"),
            created_at=_time(self._found(document, "created_at")) or default_time,
            received_at=received_at,
            lang=self._text(document, "lang"),
            trace_id="",
        )

    def _text(self, document: object, target: str) -> str:
        found = self._found(document, target)
        return found if isinstance(found, str) else str(found) if isinstance(found, int) and _is_number(found) else ""

    def _found(self, document: object, target: str) -> object:
        found = document if target in self._paths else None
        for step in self._paths.get(target, ()):
            if isinstance(found, dict):
                found = found.get(step)
            elif isinstance(found, list) and step.isdecimal() and len(step) < len(str(len(found))) + 1:
                found = found[int(step)] if int(step) < len(found) else None
            else:
                return None
        return found


def _is_number(value: object) -> bool:
    # json gives numbers of any length, and Python writes out only some thousand digits
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63


def _time(value: object) -> datetime | None:
    """From ISO 8601 (without an offset: UTC), or a UNIX time in seconds or one of its thousandths."""
    try:
        if isinstance(value, str):
            if not value.replace(".", "", 1).isdecimal():
                moment = datetime.fromisoformat(value)
                return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
            value = float(value)
        if isinstance(value, int | float) and _is_number(value) and math.isfinite(value):
            unit = next((unit for limit, unit in _UNITS if abs(value) > limit), 1.0)
            return datetime.fromtimestamp(value / unit, UTC)
    except (ValueError, OverflowError, OSError):
        pass  # no time that we know: the record's own is as good
    return None


def _mistake(expected: str, found: str) -> UserMistake:
    return UserMistake(f"environment: KAFKA_FIELDS: expected {expected}, got {found!r}")
