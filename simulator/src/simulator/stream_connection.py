"""One open stream: bytes to one client, whole posts only unless a fault is asked for, and the notice of its end."""

import contextlib
import fcntl
import math
import select
import socket
import struct
import termios
import threading
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

import msgspec

from simulator.clock import Clock
from simulator.fault_acts import FaultActs, Outcome
from simulator.fault_queue import FaultQueue
from simulator.fields import Selection
from simulator.ledger import Ledger
from simulator.payload import Payload, Post

LINE_END = b"\r\n"
PROBE_PATIENCE_SECONDS = 0.2
LAST_CHUNK = b"0\r\n\r\n"
END_PATIENCE_SECONDS = 1.0
_LONGEST_POLL_SECONDS = 3600.0
_GZIP_WINDOW_BITS = 31


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
        faults: FaultQueue,
        *,
        keep_alive: float,
        write_timeout: float,
        gzip: bool = False,
    ) -> None:
        self.number = number
        self._client = client
        self._selection = selection
        self._ledger = ledger
        self._clock = clock
        self._keep_alive = keep_alive
        self._encode = msgspec.json.Encoder().encode
        self._lock = threading.Lock()
        self._acts = FaultActs(self, faults, ledger)
        self._encoder = zlib.compressobj(wbits=_GZIP_WINDOW_BITS) if gzip else None
        self._closed = False
        self._closing = threading.Event()
        self._resetting = False
        self._silent_until = -math.inf
        self._last_write = clock.monotonic()
        client.settimeout(write_timeout)

    @property
    def closed(self) -> bool:
        """Whether the stream has ended, by either side."""
        return self._closed

    @property
    def talks(self) -> bool:
        """Open, and not fallen silent by a fault."""
        return not self._closed and self._clock.monotonic() >= self._silent_until

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Within, nothing is written here: the response headers must come before the first post."""
        with self._lock:
            yield

    def send(self, posts: Sequence[Post]) -> Outcome | None:
        """Write the posts and log them, and let those faults act that are due; without posts, only the faults.

        None when the stream was closed or silent before the first. When fewer were taken than given, the stream is
        closed or silent now. A reader that is slow makes this call wait.
        """
        with self._lock:
            return self._acts.deliver(posts) if self.talks else None

    def write_posts(self, posts: Sequence[Post]) -> int:
        """See fault_acts.Stream, as for the methods that follow: called by `send` only."""
        chunks = [chunk(self._encoded(self._line(post))) for post in posts]
        written, failure = self._write(b"".join(chunks))
        whole = bisect_right(list(accumulate(map(len, chunks))), written)
        if whole:
            self._ledger.sent(posts[:whole], self.number)
        if failure is not None:
            self._ledger.cut(posts[whole:], self.number)
            self._close(f"write failed: {failure}")
        return whole

    def write_slowly(self, post: Post, seconds: float) -> int:
        """See fault_acts.Stream."""
        for byte in self._line(post):
            _, failure = self._write(chunk(self._encoded(bytes([byte]))))
            if failure is not None:
                self._ledger.cut([post], self.number)
                self._close(f"write failed: {failure}")
                return 0
            self._closing.wait(seconds)
        self._ledger.sent([post], self.number)
        return 1

    def write_half(self, post: Post) -> None:
        """See fault_acts.Stream."""
        line = self._line(post)
        self._write_or_close(line[: len(line) // 2])

    def write_line(self, line: bytes) -> None:
        """See fault_acts.Stream."""
        self._write_or_close(line + LINE_END)

    def write_json(self, value: Payload) -> None:
        """See fault_acts.Stream."""
        self.write_line(self._encode(value))

    def fall_silent(self, seconds: float | None) -> None:
        """See fault_acts.Stream."""
        self._silent_until = math.inf if seconds is None else self._clock.monotonic() + seconds

    def break_off(self, reason: str, *, how: str) -> None:
        """See fault_acts.Stream."""
        if how == "end":
            self._end(END_PATIENCE_SECONDS, reason)
        elif how == "reset":
            self._reset(reason)
        else:
            self._close(reason)

    def serve(self) -> None:
        """Send keep-alives in silence until the connection is closed by anyone."""
        while not self._closed:
            silence_ends = max(self._last_write + self._keep_alive, self._silent_until)
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

    def end(self, patience: float, reason: str = "ended") -> None:
        """End the stream as HTTP wants it; a client that takes nothing for `patience` seconds is cut off."""
        if self._lock.acquire(timeout=patience):
            try:
                self._end(patience, reason)
            finally:
                self._lock.release()
        else:
            # A writer waits for the client; this makes its write fail, and it closes the connection.
            self._shut_down()

    def _end(self, patience: float, reason: str) -> None:
        if not self._closed:
            self._client.settimeout(patience)
            rest = chunk(self._encoder.flush(zlib.Z_FINISH)) if self._encoder else b""
            _, failure = self._write(rest + LAST_CHUNK)
            self._close(reason if failure is None else f"write failed: {failure}")

    def _reset(self, reason: str) -> None:
        """By TCP; the server's part is in `http_server.shutdown_request`."""
        # what the client's system has not acknowledged is thrown away by a reset, though the ledger says it was sent
        for _ in range(200):
            if self._closed or _unacknowledged(self._client) == 0:
                break
            self._closing.wait(0.005)
        self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._resetting = True
        self._close(reason)

    def _send_keep_alive(self) -> None:
        with self._lock:
            silent_for = self._clock.monotonic() - self._last_write
            if self.talks and silent_for >= self._keep_alive:
                self._write_or_close(LINE_END)

    def _line(self, post: Post) -> bytes:
        return self._encode(self._selection.apply(post.payload)) + LINE_END

    def _encoded(self, content: bytes) -> bytes:
        if self._encoder is None:
            return content
        return self._encoder.compress(content) + self._encoder.flush(zlib.Z_SYNC_FLUSH)

    def _write_or_close(self, content: bytes) -> None:
        _, failure = self._write(chunk(self._encoded(content)))
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
        return bool(watch.poll(min(seconds, _LONGEST_POLL_SECONDS) * 1000))

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
            self._acts.ended()
            self._ledger.disconnected(self.number, reason)

    def _shut_down(self) -> None:
        self._closing.set()
        # An error means that either side has done it before; there is nothing left to end.
        with contextlib.suppress(OSError):
            # before a reset the client must not see a regular end
            self._client.shutdown(socket.SHUT_RD if self._resetting else socket.SHUT_RDWR)


def _unacknowledged(connection: socket.socket) -> int:
    """Bytes that were sent and that the other side's system has not confirmed."""
    (count,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))
    return int(count)
