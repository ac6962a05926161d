"""Bluesky's Jetstream as a Source: one connection at a time, to servers in turn."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NoReturn
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import CloseCode
from websockets.proxy import get_proxy
from websockets.sync.client import ClientConnection, connect
from websockets.uri import parse_uri

from pipeline.backoff import Backoff
from pipeline.contracts import Severity
from pipeline.errors import Unavailable
from pipeline.logs import OccasionalLog, get_logger
from pipeline.text import clean, cut
from stream_getter.bluesky.cursor import Cursor
from stream_getter.bluesky.filter import Filter
from stream_getter.bluesky.payload import COLLECTION, Event, NoMessage, ServerError, parse_event
from stream_getter.bluesky.sockets import open_socket
from stream_getter.metrics import Metrics
from stream_getter.notices import Notices
from stream_getter.source import Arrival

log = get_logger(__name__)

#: Bytes of one message: a post has some kilobytes. The server is asked to leave out longer ones.
MESSAGE_LIMIT = 1024 * 1024
#: Messages that wait in memory; beyond it the socket is not read, and the server waits or ends the connection.
_WAITING_MESSAGES = 16
#: Seconds for a connection, over all addresses of its host and both handshakes together.
_CONNECT_SECONDS = 8.0
#: Seconds of them that the handshakes have at least.
_HANDSHAKE_SECONDS = 3.0
#: Seconds for a closing handshake, whose answer waits behind all that the server has sent: nothing depends on it.
_CLOSE_SECONDS = 0.2
#: Seconds between two looks at whether all is to end.
_LOOK_SECONDS = 0.5
#: Seconds that a connection must have held for the next trouble to count as a new one.
_HELD_SECONDS = 10.0
#: Seconds without a message after a reconnect that are told as missed: somebody posts every moment.
_MISSED_SECONDS = 60.0


class _Lost(Exception):
    """The connection is of no more use. The message says why, the kind of trouble up to its first colon."""


class BlueskyStream:
    """See Source. A stall (no message for ``stall_seconds``) counts as a broken connection.

    WebSocket pings are not sent: their answers would wait behind the messages while the queue is slow, and a healthy
    connection would be ended. After each trouble the next of ``urls`` has its turn.
    """

    silence_seconds = _CONNECT_SECONDS + _CLOSE_SECONDS

    def __init__(
        self,
        urls: Sequence[str],
        cursor: Cursor,
        filter_: Filter,
        stall_seconds: float,
        metrics: Metrics,
        backoff: Backoff,
        stopping: threading.Event,
        notices: Notices,
        occasionally: OccasionalLog,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        new_trace_id: Callable[[], str],
    ) -> None:
        self._urls = urls
        self._cursor = cursor
        self._filter = filter_
        self._stall = stall_seconds
        self._metrics = metrics
        self._backoff = backoff
        self._stopping = stopping
        self._notices = notices
        self._occasionally = occasionally
        self._now = now
        self._clock = clock
        self._new_trace_id = new_trace_id
        self._too_long = 0
        self._trouble: str | None = "not connected yet"

    def arrivals(self) -> Iterator[Arrival]:
        """See Source."""
        url = self._begin()
        while not self._stopping.is_set():
            connected_at: float | None = None
            try:
                with self._connect(url) as connection:
                    connected_at = self._clock()
                    yield from self._read(connection, url)
            except (_Lost, WebSocketException, OSError) as error:
                reason = _in_short(error)
                if _is_too_long(error):
                    self._pass_over_too_long()
                else:
                    url = self._urls[(self._urls.index(url) + 1) % len(self._urls)]
            else:
                return
            finally:
                self._metrics.stream_up.set(0)
            if not self._stopping.is_set():
                if connected_at is not None and self._clock() - connected_at >= _HELD_SECONDS:
                    self._backoff.reset()
                self._lost(reason)

    def stop(self) -> None:
        """See Source: nothing to do, for no wait is longer than the next look at ``stopping``."""

    def trouble(self) -> str | None:
        """See Source."""
        return self._trouble

    def close(self, seconds: float) -> None:  # noqa: ARG002 - a store's own time-outs bound its saving
        """See Source."""
        self._cursor.save()

    def _begin(self) -> str:
        while not self._stopping.is_set():
            try:
                url = self._cursor.load(self._urls)
            except Unavailable as error:
                self._trouble = f"the cursor cannot be read: {error}"
                wait = self._backoff.next()
                log.warning("the cursor cannot be read, trying again", reason=str(error), wait_seconds=round(wait, 2))
                self._stopping.wait(wait)
            else:
                self._backoff.reset()
                return url
        return self._urls[0]

    def _connect(self, url: str) -> ClientConnection:
        query = {"wantedCollections": COLLECTION, "maxMessageSizeBytes": str(MESSAGE_LIMIT)}
        start = self._cursor.start_on(url)
        if start is not None:
            query["cursor"] = str(start)
        log.info("connecting", url=url, cursor=start)
        deadline = self._clock() + _CONNECT_SECONDS
        address = parse_uri(url)
        try:
            # a proxy's connection is websockets' to open
            sock = None if get_proxy(address) else self._open(address.host, address.port)
            return connect(
                f"{url}?{urlencode(query)}",
                sock=sock,
                # Jetstream has compression of its own, and what inflates has no bound that holds for all of it together
                compression=None,
                open_timeout=max(_HANDSHAKE_SECONDS, deadline - self._clock()),
                close_timeout=_CLOSE_SECONDS,
                ping_interval=None,
                max_size=MESSAGE_LIMIT,
                max_queue=_WAITING_MESSAGES,
            )
        except OSError:
            raise  # some of them are ValueErrors too
        except ValueError as error:
            # a redirect, which is not followed
            raise _Lost(_line(f"cannot connect: {error}")) from error

    def _open(self, host: str, port: int) -> socket.socket:
        return open_socket(host, port, _CONNECT_SECONDS - _HANDSHAKE_SECONDS, self._stopping, self._clock)

    def _read(self, connection: ClientConnection, url: str) -> Iterator[Arrival]:
        """Until ``stopping``. Raises _Lost and what websockets raises."""
        self._trouble = None
        self._metrics.stream_up.set(1)
        log.info("connected", url=url)
        first = True
        waiting_since = self._clock()
        while not self._stopping.is_set():
            self._cursor.save_in_time()
            try:
                frame = connection.recv(timeout=min(_LOOK_SECONDS, self._stall), decode=False)
            except TimeoutError:
                if self._clock() - waiting_since >= self._stall:
                    self._stalled()
                continue
            if event := self._event(frame):
                if first and not self._too_long:  # what was skipped on purpose is no gap
                    self._tell_of_a_gap(event.time_us)
                first = False
                yield from self._arrival(event, url)
            # the time that the queue took is no silence of the server's
            waiting_since = self._clock()

    def _event(self, frame: bytes) -> Event | None:
        try:
            return parse_event(frame, self._now(), self._new_trace_id())
        except NoMessage as reason:
            self._refuse(str(reason), len(frame))
        except ServerError as error:
            raise _Lost(f"error message: {error}") from error
        return None

    def _arrival(self, event: Event, url: str) -> Iterator[Arrival]:
        self._too_long = 0
        if event.refused:
            self._refuse(event.passed_over, 0)
        post = self._filter.wanted(event.candidate) if event.candidate else None
        if post:
            yield Arrival(post, self._cursor.arrived(event.time_us, url))
            return
        self._cursor.passed(event.time_us, url)
        if not event.refused:
            self._metrics.messages_passed_over.labels(event.passed_over or "not wanted").inc()

    def _refuse(self, reason: str, size: int) -> None:
        self._metrics.lines_refused.labels(reason).inc()
        # nothing of the message itself: it may hold somebody's words
        self._occasionally.warning(log, reason, "a message of the stream holds no post", reason=reason, bytes=size)

    def _stalled(self) -> NoReturn:
        raise _Lost(f"stalled: no message for {self._stall:g} s")

    def _tell_of_a_gap(self, time_us: int) -> None:
        missed = self._cursor.missed_before(time_us)
        if missed > _MISSED_SECONDS:
            self._notices.tell(
                "bluesky gap",
                Severity.WARNING,
                f"Bluesky's server has nothing of {missed:.0f} s ({missed / 3600:.1f} hours) after the last message: "
                "it keeps 36 hours at most, and posts of that time may be missed",
                {"missed_seconds": round(missed)},
            )

    def _pass_over_too_long(self) -> None:
        """The same message would come again for ever: begins after it, further each time that this was not enough."""
        seconds = 2.0 ** min(self._too_long, 12)
        self._too_long += 1
        self._cursor.skip(seconds)
        self._metrics.lines_refused.labels("too long").inc()
        log.warning("a message is too long, what lies beside it is passed over", limit=MESSAGE_LIMIT, seconds=seconds)

    def _lost(self, reason: str) -> None:
        wait = self._backoff.next()
        self._trouble = reason
        self._metrics.reconnects.labels(reason.partition(":")[0]).inc()
        log.warning("stream lost, connecting again", reason=reason, wait_seconds=round(wait, 2))
        self._cursor.save_in_time()
        self._stopping.wait(wait)


def _is_too_long(error: Exception) -> bool:
    """Whether we have ended the connection for a message beyond our limit."""
    return (
        isinstance(error, ConnectionClosed)
        and error.sent is not None
        and error.sent.code == CloseCode.MESSAGE_TOO_BIG
        and not error.rcvd_then_sent
    )


def _in_short(error: Exception) -> str:
    """The kind of trouble, and its words behind a colon."""
    if isinstance(error, _Lost):
        return str(error)
    if isinstance(error, ConnectionClosed):
        cause = f" ({error.__cause__})" if error.__cause__ else ""
        return _line(f"connection closed: {error}{cause}")
    if isinstance(error, InvalidStatus):
        said = bytes(error.response.body or b"").decode(errors="replace")
        return _line(f"HTTP {error.response.status_code}: {said}")
    return _line(f"{type(error).__name__}: {error}")


def _line(text: str) -> str:
    return cut(clean(" ".join(text.split())), 300)
