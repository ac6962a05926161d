"""X's filtered stream as a Source: one connection, kept for ever by the rules of X's documentation."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime
from http import HTTPStatus

import requests
from urllib3.exceptions import HTTPError

from pipeline.contracts import Post
from pipeline.errors import UserMistake
from pipeline.logs import OccasionalLog, get_logger
from pipeline.text import clean
from stream_getter.lines import LineSplitter
from stream_getter.metrics import Metrics
from stream_getter.reconnect import ReconnectPolicy
from stream_getter.x_payload import NoPost, parse_post

log = get_logger(__name__)

STREAM_PATH = "/2/tweets/search/stream"
#: Everything that a Post is made of; X sends only id, text and edit history unless asked.
QUERY = {
    "tweet.fields": "author_id,created_at,edit_history_tweet_ids,entities,lang,note_tweet,referenced_tweets",
    "expansions": "author_id,referenced_tweets.id",
    "user.fields": "name,public_metrics,username",
}
#: Bytes of one line; a whole payload with its includes is some 30 kB.
LINE_LIMIT = 4 * 1024 * 1024
_READ_BYTES = 64 * 1024
_CONNECT_SECONDS = 10.0
_ERROR_BODY_BYTES = 4096


class _BearerAuth(requests.auth.AuthBase):
    """As an auth object, so that no .netrc entry takes the header's place."""

    def __init__(self, token: str) -> None:
        # http.client refuses such a header with an error that holds all of it
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise UserMistake(
                "environment: X_BEARER_TOKEN: expected printable ASCII without blanks, got something else"
            )
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class XStream:
    """See Source. A stall (nothing, not even a keep-alive, for ``stall_seconds``) counts as a broken connection.

    ``backfill_minutes`` (0 to 5) asks X at each connection for what was missed, where the account has it.
    Raises UserMistake for a token that no header can hold.
    """

    def __init__(
        self,
        session: requests.Session,
        api_url: str,
        bearer_token: str,
        stall_seconds: float,
        metrics: Metrics,
        policy: ReconnectPolicy,
        stopping: threading.Event,
        now: Callable[[], datetime],
        new_trace_id: Callable[[], str],
        occasionally: OccasionalLog,
        *,
        backfill_minutes: int = 0,
    ) -> None:
        self._session = session
        self._url = api_url.rstrip("/") + STREAM_PATH
        self._auth = _BearerAuth(bearer_token)
        self._stall_seconds = stall_seconds
        # accounts without the feature are refused for naming the parameter at all
        self._query = QUERY | ({"backfill_minutes": str(backfill_minutes)} if backfill_minutes else {})
        self._metrics = metrics
        self._policy = policy
        self._stopping = stopping
        self._now = now
        self._new_trace_id = new_trace_id
        self._occasionally = occasionally
        self._lock = threading.Lock()
        self._response: requests.Response | None = None
        self._trouble: str | None = "not connected yet"

    def posts(self) -> Iterator[Post]:
        """See Source."""
        while not self._stopping.is_set():
            try:
                with closing(self._connect()) as response:
                    if response.status_code == HTTPStatus.OK:
                        yield from self._read(response)
                        wait, reason = self._policy.after_network_trouble(), "ended by the server"
                    else:
                        wait, reason = self._refused(response)
            except (requests.RequestException, HTTPError, OSError) as error:
                wait, reason = self._policy.after_network_trouble(), _in_short(error)
            finally:
                self._metrics.stream_up.set(0)
            if not self._stopping.is_set():
                self._lost(reason, wait)

    def stop(self) -> None:
        """See Source. ``stopping`` must be set before."""
        with self._lock:
            if self._response is not None:
                # refused by urllib3 or the system when the stream has ended by itself: then no read waits
                with suppress(RuntimeError, ValueError, OSError):
                    self._response.raw.shutdown()

    def trouble(self) -> str | None:
        """See Source."""
        return self._trouble

    def _connect(self) -> requests.Response:
        log.info("connecting", url=self._url)
        # a redirect would carry the token elsewhere, and X has none
        return self._session.get(
            self._url,
            params=self._query,
            auth=self._auth,
            stream=True,
            timeout=(_CONNECT_SECONDS, self._stall_seconds),
            allow_redirects=False,
        )

    def _read(self, response: requests.Response) -> Iterator[Post]:
        with self._lock:
            self._response = response
        splitter = LineSplitter(LINE_LIMIT)
        keep_alives = 0
        try:
            self._trouble = None
            self._metrics.stream_up.set(1)
            log.info("connected")
            while not self._stopping.is_set() and (chunk := response.raw.read1(_READ_BYTES, decode_content=True)):
                for line in splitter.feed(chunk):
                    if line.strip():
                        yield from self._post(line)
                        continue
                    keep_alives += 1
                    if keep_alives > 1:  # it has held for a keep-alive's period
                        self._policy.delivered()
                if splitter.refused:
                    self._refuse_line("too long", f"a line of more than {LINE_LIMIT} bytes", splitter.refused)
                    splitter.refused = 0
        finally:
            with self._lock:
                self._response = None
            if splitter.unfinished:
                self._refuse_line("cut off", f"the first {splitter.unfinished} bytes of one that was cut off", 1)

    def _post(self, line: bytes) -> Iterator[Post]:
        try:
            post = parse_post(line, self._now(), self._new_trace_id())
        except NoPost as reason:
            self._refuse_line("no post", f"{reason}, {len(line)} bytes", 1)
        else:
            self._policy.delivered()
            self._metrics.posts_received.labels("x").inc()
            self._metrics.source_delay.observe(max(0.0, (post.received_at - post.created_at).total_seconds()))
            yield post

    def _refuse_line(self, kind: str, what: str, count: int) -> None:
        self._metrics.lines_refused.labels(kind).inc(count)
        self._occasionally.warning(log, kind, "a line of the stream holds no post", line=what)

    def _refused(self, response: requests.Response) -> tuple[float, str]:
        try:
            body = response.raw.read(_ERROR_BODY_BYTES, decode_content=True) or b""
        except (HTTPError, OSError):
            body = b""  # the status says enough
        said = " ".join(clean(body.decode(errors="replace")).split())[:300]
        reason = f"HTTP {response.status_code}: {said}"
        # at its bound of connections X answers 429 as well, but a slot becomes free long before a window turns
        if response.status_code == HTTPStatus.TOO_MANY_REQUESTS and "TooManyConnections" not in said:
            return self._policy.after_rate_limit(self._seconds_to_reset(response)), reason
        return self._policy.after_http_error(), reason

    def _seconds_to_reset(self, response: requests.Response) -> float | None:
        try:
            return float(response.headers["x-rate-limit-reset"]) - self._now().timestamp()
        except (KeyError, ValueError):
            return None

    def _lost(self, reason: str, wait: float) -> None:
        self._trouble = reason
        self._metrics.reconnects.labels(reason.partition(":")[0]).inc()
        log.warning("stream lost, connecting again", reason=reason, wait_seconds=round(wait, 2))
        self._stopping.wait(wait)


def _in_short(error: Exception) -> str:
    """The kind of error and its innermost words; requests wraps each several times over."""
    inner: BaseException = error
    while inner.__cause__ or inner.__context__:
        inner = inner.__cause__ or inner.__context__ or inner
    return f"{type(error).__name__}: {inner}"
