"""One open stream: bytes to one client, whole posts only, and the notice of its going away."""

import contextlib
import select
import socket
import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

import msgspec

from simulator.clock import Clock
from simulator.fields import Selection
from simulator.ledger import Ledger
from simulator.payload import Post

LINE_END = b"\r\n"
PROBE_PATIENCE_SECONDS = 0.2
LAST_CHUNK = b"0\r\n\r\n"


def chunk(content: bytes) -> bytes:
    """The content as one chunk of Transfer-Encoding: chunked (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(content), content)


class StreamConnection:
    """Writes posts and keep-alives to a socket, after its response headers.

    Any thread may write; a lock keeps the bytes of one write together. A post is one chunk, so that a client
    that is cut off has every post before the cut. `serve` belongs to the thread that holds the request.
    """

    def __init__(
        self,
        number: int,
        client: socket.socket,
        selection: Selection,
        ledger: Ledger,
        clock: Clock,
        *,
        keep_alive: float,
        write_timeout: float,
    ) -> None:
        self.number = number
        self._client = client
        self._selection = selection
        self._ledger = ledger
        self._clock = clock
        self._keep_alive = keep_alive
        self._encode = msgspec.json.Encoder().encode
        self._lock = threading.Lock()
        self._closed = False
        self._last_write = clock.monotonic()
        client.settimeout(write_timeout)

    @property
    def closed(self) -> bool:
        """Whether the stream has ended, by either side."""
        return self._closed

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Within, nothing is written here: the response headers must come before the first post."""
        with self._lock:
            yield

    def send(self, posts: Sequence[Post]) -> int | None:
        """Write the posts and log them; returns how many, from the first, went out whole.

        Fewer than all means that the connection is closed now, None that it was closed before the first.
        A reader that is slow makes this call wait.
        """
        with self._lock:
            if self._closed:
                return None
            chunks = [chunk(self._encode(self._selection.apply(post.payload)) + LINE_END) for post in posts]
            written, failure = self._write(b"".join(chunks))
            whole = bisect_right(list(accumulate(map(len, chunks))), written)
            if whole:
                self._ledger.sent(posts[:whole], self.number)
            if failure is not None:
                self._ledger.cut(posts[whole:], self.number)
                self._close(f"write failed: {failure}")
            return whole

    def serve(self) -> None:
        """Send keep-alives in silence until the connection is closed by anyone."""
        while not self._closed:
            silence_ends = self._last_write + self._keep_alive
            if not self._readable(max(0.0, silence_ends - self._clock.monotonic())):
                self._send_keep_alive()
            elif self._has_client_gone():
                self.close("client gone")

    def close(self, reason: str) -> None:
        """Close without ending the stream; nothing happens when it is closed already."""
        # Before the lock: a writer that waits for the client must fail first.
        self._shut_down()
        with self._lock:
            self._close(reason)

    def close_if_client_gone(self) -> None:
        """Close now when the client has ended its side, not only when the next write fails."""
        # A writer that holds the lock longer is waiting for a client that is still there.
        if self._lock.acquire(timeout=PROBE_PATIENCE_SECONDS):
            try:
                if not self._closed and self._readable(0.0) and self._has_client_gone():
                    self._close("client gone")
            finally:
                self._lock.release()

    def end(self, patience: float) -> None:
        """End the stream as HTTP wants it; a client that takes nothing for `patience` seconds is cut off."""
        if self._lock.acquire(timeout=patience):
            try:
                if not self._closed:
                    self._client.settimeout(patience)
                    _, failure = self._write(LAST_CHUNK)
                    self._close("ended" if failure is None else f"write failed: {failure}")
            finally:
                self._lock.release()
        else:
            # A writer waits for the client; this makes its write fail, and it closes the connection.
            self._shut_down()

    def _send_keep_alive(self) -> None:
        with self._lock:
            silent_for = self._clock.monotonic() - self._last_write
            if self._closed or silent_for < self._keep_alive:
                return
            _, failure = self._write(chunk(LINE_END))
            if failure is not None:
                self._close(f"write failed: {failure}")

    def _has_client_gone(self) -> bool:
        """Take what the client sent, which means nothing here, or see that it has ended its side."""
        try:
            return not self._client.recv(4096)
        except OSError:
            return True

    def _readable(self, seconds: float) -> bool:
        watch = select.poll()
        watch.register(self._client, select.POLLIN | select.POLLHUP | select.POLLERR)
        return bool(watch.poll(seconds * 1000))

    def _write(self, content: bytes) -> tuple[int, OSError | None]:
        """Bytes that the socket took, and the failure that stopped it before the end."""
        written = 0
        rest = memoryview(content)
        try:
            while rest:
                count = self._client.send(rest)
                written += count
                rest = rest[count:]
        except OSError as failure:
            return written, failure
        self._last_write = self._clock.monotonic()
        return written, None

    def _close(self, reason: str) -> None:
        if not self._closed:
            self._closed = True
            self._shut_down()
            self._ledger.disconnected(self.number, reason)

    def _shut_down(self) -> None:
        # An error means that either side has done it before; there is nothing left to end.
        with contextlib.suppress(OSError):
            self._client.shutdown(socket.SHUT_RDWR)
