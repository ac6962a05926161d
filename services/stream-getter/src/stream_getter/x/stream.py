"""X's filtered stream as a Source: one connection, kept for ever by the rules of X's documentation."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import datetime

import requests
from urllib3.exceptions import HTTPError

from pipeline.logs import OccasionalLog, get_logger
from stream_getter.metrics import Metrics
from stream_getter.source import Arrival
from stream_getter.x.api import XApi
from stream_getter.x.connections import StaleConnections
from stream_getter.x.lines import LineSplitter
from stream_getter.x.opening import Opening
from stream_getter.x.payload import NoPost, parse_line
from stream_getter.x.reconnect import HELD_SECONDS, ReconnectPolicy
from stream_getter.x.refusal import RefusalKind, is_stream, refusal_of
from stream_getter.x.spend import SpendGuard

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
#: Keep-alives of one connection that show that it has held.
_HELD_KEEP_ALIVES = 2


class XStream:
    """See Source. A stall (nothing, not even a keep-alive, for ``stall_seconds``) counts as a broken connection.

    ``backfill_minutes`` (0 to 5) asks X at each connection for what was missed, where the account has it. ``stale``
    may free slots that X counts as taken. ``clock`` is monotonic, in seconds.

    ``silence_seconds`` leaves out connecting, which takes up to 10 s more for each of the server's addresses. It needs
    no look at ``stopping``: ``stop`` ends it at once.
    """

    def __init__(
        self,
        api: XApi,
        stall_seconds: float,
        metrics: Metrics,
        policy: ReconnectPolicy,
        stopping: threading.Event,
        now: Callable[[], datetime],
        new_trace_id: Callable[[], str],
        occasionally: OccasionalLog,
        guard: SpendGuard,
        *,
        backfill_minutes: int = 0,
        stale: StaleConnections | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self.silence_seconds = stall_seconds
        # accounts without the feature are refused for naming the parameter at all
        self._query = QUERY | ({"backfill_minutes": str(backfill_minutes)} if backfill_minutes else {})
        self._metrics = metrics
        self._policy = policy
        self._stopping = stopping
        self._now = now
        self._new_trace_id = new_trace_id
        self._occasionally = occasionally
        self._guard = guard
        self._stale = stale
        self._clock = clock
        self._lock = threading.Lock()
        self._opening: Opening | None = None
        self._response: requests.Response | None = None
        self._trouble: str | None = "not connected yet"
        self._disconnect = ""  # what X has said about the end of this connection

    def arrivals(self) -> Iterator[Arrival]:
        """See Source."""
        while not self._stopping.is_set():
            if closed := self._guard.closed():
                self._trouble = closed
                self._guard.wait()
                continue
            self._disconnect = ""
            try:
                if (connected := self._connect()) is None:
                    return
                with closing(connected) as response:
                    if is_stream(response):
                        yield from self._read(response)
                        wait, reason = self._policy.after_network_trouble(), "ended by the server"
                    else:
                        wait, reason = self._refused(response)
            except (requests.RequestException, HTTPError, OSError) as error:
                wait, reason = self._policy.after_network_trouble(), self._api.in_short(error)
            finally:
                with self._lock:
                    self._response = None
                self._metrics.stream_up.set(0)
            if not self._stopping.is_set() and not self._guard.closed():
                self._lost(f"operational-disconnect: {self._disconnect}" if self._disconnect else reason, wait)

    def stop(self) -> None:
        """See Source. ``stopping`` must be set before."""
        with self._lock:
            if self._opening is not None:
                self._opening.give_up()
            if self._response is not None:
                # refused by urllib3 or the system when the stream has ended by itself: then no read waits
                with suppress(RuntimeError, ValueError, OSError):
                    self._response.raw.shutdown()

    def trouble(self) -> str | None:
        """See Source."""
        return self._trouble

    def startup_trouble(self) -> str | None:
        """See ClosedOnPurpose."""
        return None if self._guard.closed() else self._trouble

    def close(self, seconds: float) -> None:
        """See Source."""
        self._api.close()
        self._guard.close(seconds)

    def _connect(self) -> requests.Response | None:
        """The answer to the request for the stream; None where ``stop`` came first."""
        log.info("connecting", url=self._api.address(STREAM_PATH))
        opening = Opening(lambda: self._api.stream(STREAM_PATH, self._query, self.silence_seconds))
        with self._lock:
            self._opening = opening
        # a stop before this line has not seen the opening
        if self._stopping.is_set():
            return None
        try:
            response = opening.wait()
        finally:
            with self._lock:
                self._opening = None
        with self._lock:
            self._response = response
        if response is not None and self._stopping.is_set():
            response.close()
            return None
        return response

    def _read(self, response: requests.Response) -> Iterator[Arrival]:
        splitter = LineSplitter(LINE_LIMIT)
        keep_alives = 0
        held_at: float | None = self._clock() + HELD_SECONDS
        try:
            self._trouble = None
            self._metrics.stream_up.set(1)
            log.info("connected")
            if self._stale:
                self._stale.connected()
            while not self._stopping.is_set() and (chunk := response.raw.read1(_READ_BYTES, decode_content=True)):
                for line in splitter.feed(chunk):
                    if not line.strip():
                        keep_alives += 1
                    elif arrival := self._arrival(line):
                        yield arrival
                if held_at is not None and (keep_alives >= _HELD_KEEP_ALIVES or self._clock() >= held_at):
                    self._policy.held()
                    held_at = None
                if splitter.refused:
                    self._refuse_line("too long", f"a line of more than {LINE_LIMIT} bytes", splitter.refused)
                    splitter.refused = 0
                # only here: the posts of a chunk have been delivered, and so paid for, all at once
                if self._guard.closed():
                    return
        finally:
            if splitter.unfinished:
                self._refuse_line("cut off", f"the first {splitter.unfinished} bytes of one that was cut off", 1)

    def _arrival(self, line: bytes) -> Arrival | None:
        try:
            post, flaw = parse_line(line, self._now(), self._new_trace_id())
        except NoPost as reason:
            self._disconnect = self._disconnect or reason.disconnect
            self._refuse_line(reason.kind, f"{reason}, {len(line)} bytes", 1)
            return None
        if flaw:
            self._metrics.posts_incomplete.labels(flaw).inc()
        self._policy.delivered()
        self._guard.count(post.id)
        return Arrival(post)

    def _refuse_line(self, kind: str, what: str, count: int) -> None:
        self._metrics.lines_refused.labels(kind).inc(count)
        line = self._api.without_token(what)
        self._occasionally.warning(log, kind, "a line of the stream holds no post", line=line)

    def _refused(self, response: requests.Response) -> tuple[float, str]:
        kind, reason = refusal_of(response, self._api.without_token)
        if kind is RefusalKind.RATE_LIMIT:
            return self._policy.after_rate_limit(self._seconds_to_reset(response)), reason
        if kind is RefusalKind.TOO_MANY_CONNECTIONS and self._stale and self._stale.refused(self._stopping):
            return self._policy.after_reset(), reason
        return self._policy.after_http_error(), reason

    def _seconds_to_reset(self, response: requests.Response) -> float | None:
        try:
            return float(response.headers["x-rate-limit-reset"]) - self._now().timestamp()
        except (KeyError, ValueError):
            return None

    def _lost(self, reason: str, wait: float) -> None:
        kind, colon, said = reason.partition(":")
        # what stands before the colon are our own words, of which a short token may be a part
        reason = kind + colon + self._api.without_token(said)
        self._trouble = reason
        self._metrics.reconnects.labels(kind).inc()
        log.warning("stream lost, connecting again", reason=reason, wait_seconds=round(wait, 2))
        self._stopping.wait(wait)
