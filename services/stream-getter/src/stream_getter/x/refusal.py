"""What X's answer means where it is no stream: which class of waits it belongs to, and why, in one line."""

from collections.abc import Callable, Mapping
from enum import Enum
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
import requests

from pipeline.text import clean, cut
from stream_getter.x.api import body_of

_SAID_CHARACTERS = 300
#: What a user can do about it, where the status alone tells.
_HINTS = {
    HTTPStatus.UNAUTHORIZED: "X does not accept the token in X_BEARER_TOKEN",
    HTTPStatus.FORBIDDEN: "the token's project may not read the filtered stream",
}


class RefusalKind(Enum):
    """The classes of X's documentation, "Handling disconnections"; the second is an HTTP error by its waits."""

    HTTP_ERROR = "HTTP error"
    TOO_MANY_CONNECTIONS = "too many connections"
    RATE_LIMIT = "rate limit"


class Refusal(NamedTuple):
    """``reason`` begins with a few words of few kinds, up to a colon, and tells more behind it."""

    kind: RefusalKind
    reason: str


def is_stream(response: requests.Response) -> bool:
    """Whether the answer is X's stream: status 200, and JSON as far as it names a type.

    A proxy's or a captive network's page comes with status 200 too, and would be read as a stream of broken lines.
    """
    media_type = response.headers.get("Content-Type", "")
    return response.status_code == HTTPStatus.OK and (not media_type or "json" in media_type.lower())


def refusal_of(response: requests.Response, without_token: Callable[[str], str]) -> Refusal:
    """What an answer that is no stream means; reads its body."""
    if response.status_code == HTTPStatus.OK:
        media_type = _in_one_line(without_token(response.headers.get("Content-Type", "")))
        return Refusal(RefusalKind.HTTP_ERROR, f"not a stream: HTTP 200 with {media_type}, expected application/json")
    body = body_of(response)
    problems = _problems(body)
    # the token first: a cut may leave a part of it
    said = _in_one_line(without_token(_words(problems) or body.decode(errors="replace")))
    if response.status_code != HTTPStatus.TOO_MANY_REQUESTS:
        hint = _HINTS.get(HTTPStatus(response.status_code)) if response.status_code in set(HTTPStatus) else None
        return Refusal(RefusalKind.HTTP_ERROR, f"HTTP {response.status_code}: {f'{hint}: ' if hint else ''}{said}")
    # a slot becomes free long before a rate limit's window turns
    if any(problem.get("connection_issue") == "TooManyConnections" for problem in problems):
        return Refusal(RefusalKind.TOO_MANY_CONNECTIONS, f"too many connections: HTTP 429: {said}")
    return Refusal(RefusalKind.RATE_LIMIT, f"HTTP 429: {said}")


def _problems(body: bytes) -> list[Mapping[str, Any]]:
    """The problem objects of an answer: itself, and those that it lists; none where it is no JSON object."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    if not isinstance(document, dict):
        return []
    listed = document.get("errors")
    return [document, *(each for each in listed if isinstance(each, dict))] if isinstance(listed, list) else [document]


def _words(problems: list[Mapping[str, Any]]) -> str:
    """Title and detail of the first problem that has any."""
    for problem in problems:
        words = [str(problem[name]) for name in ("title", "detail", "message") if problem.get(name)]
        if words:
            return ": ".join(dict.fromkeys(words))
    return ""


def _in_one_line(text: str) -> str:
    return " ".join(clean(cut(text, 10 * _SAID_CHARACTERS)).split())[:_SAID_CHARACTERS]
