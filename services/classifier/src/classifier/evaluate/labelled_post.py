"""A post whose labels are known, as one line of JSON: a plain shape, or that of X with what is expected beside it."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from classifier.evaluate.x_payload import Parts, XPayload, parts_of
from pipeline.contracts import VERSION, MatchedRule, Post
from pipeline.hostile_text import one_line
from pipeline.text import clean, short_line

#: The label of a post that is about none of them.
NONE = "none"
#: Characters of a label or an id; more is a text in the wrong place.
_NAME_LENGTH = 200
_SHAPE = '{"text": "…", "label": "…"} or the like'
#: Nobody asks when a labelled post was written or came in.
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


_NOTHING = msgspec.Raw(b"")


class LabelledPost(NamedTuple):
    """``labels`` are those that the post is about, as its file names them; none for one that is about none."""

    line: int
    post: Post
    labels: tuple[str, ...]


class NotLabelled(ValueError):
    """The line is no labelled post; the message says in one line what was expected and found."""


class _Line(msgspec.Struct):
    """Unknown fields are ignored."""

    text: str | None = None
    label: str | list[str] | None = None
    labels: str | list[str] | None = None
    expected: str | list[str] | None = None
    id: str | int | None = None
    lang: str | None = None
    quoted_text: str | None = None
    rules: list[str | MatchedRule] | None = None
    post: msgspec.Raw = _NOTHING
    data: msgspec.Raw = _NOTHING


_decoder = msgspec.json.Decoder(_Line)
_x_decoder = msgspec.json.Decoder(XPayload)


def labelled_post(content: bytes, line: int) -> LabelledPost:
    """The post in one line, whose number is ``line``. Raises NotLabelled."""
    try:
        given, content = _read(content)
        parts = _parts(given, content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise NotLabelled(f"expected {_SHAPE}, got: {short_line(str(error), _NAME_LENGTH)}") from error
    if not parts.text.strip():
        raise NotLabelled("text: expected the words of a post, got nothing")
    post = Post(
        v=VERSION,
        id=clean(parts.id)[:_NAME_LENGTH],
        source="labelled",
        text=clean(parts.text),
        quoted_text=clean(parts.quoted_text),
        lang=parts.lang,
        rules=[MatchedRule(tag=tag) for tag in parts.tags],
        created_at=_NO_TIME,
        received_at=_NO_TIME,
        trace_id="",
    )
    return LabelledPost(line, post, _labels(given))


def _read(content: bytes) -> tuple[_Line, bytes]:
    try:
        return _decoder.decode(content), content
    except (msgspec.ValidationError, RecursionError):
        raise
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # of a text that was cut within an emoji, half of a character may be left, which UTF-8 cannot express
        try:
            repaired = json.dumps(json.loads(content.decode(errors="replace")), ensure_ascii=False)
        except ValueError:
            raise error from None
        content = repaired.encode(errors="replace")
        return _decoder.decode(content), content


def _parts(given: _Line, content: bytes) -> Parts:
    if given.text is None and (given.post or given.data):
        return parts_of(_x_decoder.decode(given.post or content))
    tags = [rule if isinstance(rule, str) else rule.tag for rule in given.rules or []]
    id_ = "" if given.id is None else str(given.id)
    return Parts(given.text or "", given.quoted_text or "", id_, given.lang or "", tags)


def _labels(given: _Line) -> tuple[str, ...]:
    named = {"label": given.label, "labels": given.labels, "expected": given.expected}
    found = {key: value for key, value in named.items() if value is not None}
    if len(found) != 1:
        got = "nothing" if not found else " and ".join(found)
        raise NotLabelled(f'expected one of label, labels and expected ("{NONE}" or [] for about none), got {got}')
    [(key, value)] = found.items()
    return tuple(_checked(value if isinstance(value, list) else [value], key))


def _checked(labels: Sequence[str], key: str) -> list[str]:
    for label in labels:
        # a name of control characters alone would be told as nothing
        if len(label) > _NAME_LENGTH or not one_line(label, _NAME_LENGTH):
            raise NotLabelled(f"{key}: expected names of labels, got {short_line(repr(label), 60)}")
    stripped = dict.fromkeys(label.strip() for label in labels)
    if len(stripped) > 1 and any(label.casefold() == NONE for label in stripped):
        raise NotLabelled(f'{key}: expected "{NONE}" alone, or without it, got {short_line(repr(list(stripped)), 100)}')
    return [label for label in stripped if label.casefold() != NONE]
