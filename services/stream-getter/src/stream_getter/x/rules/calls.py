"""One call of X's rules endpoint: tried again where that helps, and its failure in one line."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec
import requests
from urllib3.exceptions import HTTPError

from pipeline.backoff import Backoff
from pipeline.dead_letters.words import told_duration
from pipeline.errors import Unavailable, UserMistake
from pipeline.hostile_text import one_line
from stream_getter import __version__
from stream_getter.x.auth import BearerAuth
from stream_getter.x.redirects import without_redirects

RULES_PATH = "/2/tweets/search/stream/rules"
#: Tries of one call, the first included: a few seconds of trouble pass unnoticed, more is told.
TRIES = 4
#: Waits for a rate limit's window within one call: a second one may be needed where others use the account too.
WINDOWS = 3
#: Seconds that a rate limit lasts where X does not say how long: its whole window.
_WINDOW_SECONDS = 900.0
_CONNECT_SECONDS, _READ_SECONDS = 10.0, 30.0
#: Seconds for a whole answer: one that drips never times out by itself.
_ANSWER_SECONDS = 60.0
#: Bytes of an answer: a page of 1,000 rules of 2,048 characters, each of up to 12 bytes as JSON escapes it, and more.
_MOST_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 64 * 1024
_SAID_LENGTH = 300
#: X's own troubles, which pass; 501 and others do not.
_PASSING = frozenset({500, 502, 503, 504})


class Refused(UserMistake):
    """X does not take the request as a whole, and would not the next time either."""


class CapExceeded(Refused):
    """X would have more rules than it allows this account."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How waits are done: ``pause`` returns False where a signal has cut it short, which nothing does with ``sleep``.

    ``now`` is UNIX seconds, ``clock`` seconds from anywhere.

    ``longest`` is how many seconds a rate limit is waited for at most.
    """

    new_backoff: Callable[[], Backoff]
    pause: Callable[[float], bool]
    sleep: Callable[[float], object]
    now: Callable[[], float]
    clock: Callable[[], float]
    remark: Callable[[str], None]
    longest: float


class RulesCalls:
    """Speaks HTTP. Redirects are not followed: they would carry the token elsewhere, and X has none."""

    def __init__(self, session: requests.Session, api_url: str, auth: BearerAuth, waiting: Waiting) -> None:
        self._session = without_redirects(session)
        self.place = api_url.rstrip("/")
        self._auth = auth
        self._waiting = waiting
        self._changes: Mapping[str, str] = {}  # the headers of the last answer to a change

    @property
    def knows_rate_limit(self) -> bool:
        """Whether X has answered a change, dry or not, and so told what is left of the limit, if it tells that."""
        return bool(self._changes)

    def reserve(self, changes: int) -> None:
        """Returns once X's rate limit leaves room for so many changes, as far as X has told. Raises Unavailable."""
        left = _number(self._changes.get("x-rate-limit-remaining", ""))
        reset = _number(self._changes.get("x-rate-limit-reset", ""))
        if left is not None and left < changes and reset is not None and reset > self._waiting.now():
            self._wait_for_window(self._changes, unstoppable=False)

    def call(
        self,
        method: str,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        *,
        unstoppable: bool = False,
        more_follows: bool = False,
    ) -> bytes:
        """The JSON of an answer that says what became of the request.

        ``unstoppable`` tries on where a signal would end it: for what must follow on something done already. A try
        whose answer was lost may have had its effect: with ``more_follows`` it is unstoppable from then on.

        Raises Unavailable where the same call may succeed later, Refused for what X does not take, and UserMistake for
        a token or an address that is wrong.
        """
        backoff = self._waiting.new_backoff()
        tried = windows = 0
        while True:
            try:
                status, headers, content = self._ask(method, query, body)
            except requests.exceptions.SSLError as error:
                raise UserMistake(
                    f"environment: X_API_URL: expected a server whose certificate is right, "
                    f"got {self.place} ({self._in_short(error)})"
                ) from error
            except (requests.RequestException, HTTPError, OSError) as error:
                trouble, limited = self._in_short(error), False
            else:
                limited = status == HTTPStatus.TOO_MANY_REQUESTS
                if limited and windows < WINDOWS:
                    windows += 1
                    self._wait_for_window(headers, unstoppable)
                    continue
                if status not in _PASSING and not limited:
                    return self._checked(status, content)
                trouble = f"HTTP {status}: {_said(content)}"
            tried += 1
            unstoppable = unstoppable or (more_follows and not limited)
            if tried == TRIES or not self._pause(backoff.next(), unstoppable):
                raise Unavailable(f"{self.place}: expected an answer of X, got {trouble}")

    def _ask(
        self, method: str, query: Mapping[str, str], body: Mapping[str, Any] | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        until = self._waiting.clock() + _ANSWER_SECONDS
        with self._session.request(
            method,
            self.place + RULES_PATH,
            params=query,
            json=body,
            headers={"User-Agent": f"tweet-alerts/{__version__}"},
            auth=self._auth,
            stream=True,
            timeout=(_CONNECT_SECONDS, _READ_SECONDS),
            allow_redirects=False,
        ) as response:
            content = bytearray()
            while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
                content += chunk
                if len(content) > _MOST_BYTES:
                    raise UserMistake(f"{self.place}: expected at most {_MOST_BYTES:,} bytes of an answer, got more")
                if self._waiting.clock() > until:
                    raise TimeoutError(f"no whole answer within {_ANSWER_SECONDS:.0f} s")
            if method == "POST":
                self._changes = response.headers
            return response.status_code, response.headers, self._auth.without_token(bytes(content))

    def _pause(self, seconds: float, unstoppable: bool) -> bool:
        if not unstoppable:
            return self._waiting.pause(seconds)
        self._waiting.sleep(seconds)
        return True

    def _wait_for_window(self, headers: Mapping[str, str], unstoppable: bool) -> None:
        now = self._waiting.now()
        reset = _number(headers.get("x-rate-limit-reset", ""))
        # one second more: X's clock and this one differ
        seconds = max(1.0, reset - now + 1.0) if reset is not None else _WINDOW_SECONDS
        at = _told_time(now + seconds)
        if seconds > self._waiting.longest:
            raise Unavailable(f"{self.place}: expected requests left in X's rate limit, got none until {at}")
        self._waiting.remark(f"X's rate limit is used up: waiting {told_duration(seconds)}, until {at}")
        if not self._pause(seconds, unstoppable):
            raise Unavailable(f"{self.place}: stopped while waiting for X's rate limit, until {at}")

    def _checked(self, status: int, content: bytes) -> bytes:
        got = f"HTTP {status}: {_said(content)}"
        if status in (HTTPStatus.OK, HTTPStatus.CREATED):
            return content
        if status == HTTPStatus.UNAUTHORIZED:
            raise UserMistake(f"environment: X_BEARER_TOKEN: expected a token that {self.place} accepts, got {got}")
        if status == HTTPStatus.FORBIDDEN:
            raise UserMistake(f"{self.place}: expected an account that may have rules, got {got}")
        if status < HTTPStatus.BAD_REQUEST or status == HTTPStatus.NOT_FOUND:
            raise UserMistake(f"environment: X_API_URL: expected the address of X's API, got {self.place} ({got})")
        # X refuses single rules by this status too, and then says of each what became of it
        if status == HTTPStatus.BAD_REQUEST and b'"summary"' in content:
            return content
        kind = CapExceeded if "RulesCapExceeded" in got or "problems/rule-cap" in got else Refused
        raise kind(f"{self.place}: expected X to take the request, got {got}")

    def _in_short(self, error: Exception) -> str:
        inner: BaseException = error
        while inner.__cause__ or inner.__context__:
            inner = inner.__cause__ or inner.__context__ or inner
        told = f"{type(error).__name__}: {inner}".encode(errors="replace")
        return one_line(self._auth.without_token(told).decode(errors="replace"), _SAID_LENGTH)


def _said(content: bytes) -> str:
    """X's own words for what went wrong, or the begin of whatever else came, harmless."""
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return one_line(content[: 4 * _SAID_LENGTH].decode(errors="replace"), _SAID_LENGTH) or "nothing"
    return one_line(problem_in_words(document), _SAID_LENGTH)


def problem_in_words(document: Any) -> str:
    """The title and details of one of X's problem documents and those in it, or the whole of something else."""
    inner = document.get("errors") if isinstance(document, dict) else None
    parts = [
        *_own_words(document),
        # no deeper: X nests once, and whoever nests thousands deep is not X
        *(": ".join(_own_words(error)) for error in (inner if isinstance(inner, list) else [])[:3]),
    ]
    return ": ".join(dict.fromkeys(filter(None, parts))) or _as_json(document)


def _own_words(document: Any) -> list[str]:
    if not isinstance(document, dict):
        return [document] if isinstance(document, str) else []
    details = document.get("details")
    parts = [
        document.get("title"),
        *(details if isinstance(details, list) else []),
        document.get("detail"),
        document.get("message"),
    ]
    return list(dict.fromkeys(part for part in parts if isinstance(part, str) and part))


def _as_json(document: Any) -> str:
    try:
        return json.dumps(document)
    except RecursionError:
        return "JSON that is nested too deeply"


def _number(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 12 else None


def _told_time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%H:%M:%S} UTC"
