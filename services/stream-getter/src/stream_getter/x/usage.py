"""What X says that the project has read of its month: GET /2/usage/tweets.

X API, "Usage": numbers of posts come as strings. The figures lag behind the stream, by minutes or more, and are those
of the whole project, whoever read. 50 requests are allowed in 15 minutes.
"""

from http import HTTPStatus
from typing import Annotated, NamedTuple

import msgspec
import requests
from urllib3.exceptions import HTTPError

from stream_getter.x.api import XApi, body_of

USAGE_PATH = "/2/usage/tweets"


class XUsage(NamedTuple):
    """Posts read in X's month and its cap; None where X names none. ``reset_day``: the day on which months begin.

    X's references differ on that day: a day of the month by the guides, days that are left by the schema.
    It is taken for a day of the month, as accounts show it; BudgetGuard.x_said bears the other.
    """

    posts: int
    cap: int | None = None
    reset_day: int | None = None


class UsageUnknown(Exception):
    """X did not say, or nothing that can be understood. Its message is one short line."""


_Number = Annotated[int, msgspec.Meta(ge=0, le=10**15)]


class _Data(msgspec.Struct):
    project_usage: _Number
    project_cap: _Number | None = None
    cap_reset_day: int | None = None


class _Answer(msgspec.Struct):
    data: _Data


class UsageReader:
    """Asks X. Not safe for several threads, so ``api`` is its own."""

    def __init__(self, api: XApi) -> None:
        self._api = api

    def read(self) -> XUsage:
        """What X says now. Raises UsageUnknown."""
        try:
            with self._api.ask("GET", USAGE_PATH) as response:
                if response.status_code != HTTPStatus.OK:
                    raise UsageUnknown(f"HTTP {response.status_code}")
                body = body_of(response)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise UsageUnknown(type(error).__name__) from error
        return _understood(body)

    def close(self) -> None:
        """Lets go of the connection."""
        self._api.close()


def _understood(body: bytes) -> XUsage:
    try:
        # lenient, for X writes some of its numbers as strings
        data = msgspec.convert(msgspec.json.decode(body), _Answer, strict=False).data
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UsageUnknown("an answer without the project's usage") from error
    day = data.cap_reset_day
    # some accounts have a cap of 0 and read all the same
    return XUsage(data.project_usage, data.project_cap or None, day if day is not None and 1 <= day <= 31 else None)
