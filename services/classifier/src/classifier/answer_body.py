"""Reads an answer's body within a time and a size. The client's own time-out is for each read of the socket alone."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from classifier.endpoint_errors import EndpointFailed, EndpointTooSlow

if TYPE_CHECKING:
    from botocore.response import StreamingBody

#: Bytes of an answer at most: several hundred texts with a hundred labels need one or two million.
MOST_BYTES = 16 * 1024 * 1024
#: Bytes of one read at most.
_CHUNK = 64 * 1024


def read_body(body: "StreamingBody", until: float, clock: Callable[[], float], most: int = MOST_BYTES) -> bytes:
    """All of ``body``, which is closed then. ``until`` is a moment of ``clock``, in seconds.

    Raises EndpointTooSlow where it is not there by then, EndpointFailed where it has more than ``most`` bytes, and what
    the SDK and urllib3 raise. Head and error answers are read by the SDK before: one that sends these byte by byte is
    held to a time-out for each byte only.
    """
    # urllib3's own answer, which checks the length: ``read`` of the SDK's waits until all bytes asked for are there
    stream: Any
    with body as stream:
        chunks: list[bytes] = []
        size = 0
        while True:
            # one that is whole has given its socket back
            if not stream.closed:
                left = until - clock()
                if left <= 0:
                    raise EndpointTooSlow(f"no whole answer in time, {size} bytes of it")
                body.set_socket_timeout(left)
            chunk = stream.read1(_CHUNK)
            if not chunk:
                return b"".join(chunks)
            size += len(chunk)
            if size > most:
                raise EndpointFailed(f"an answer of more than {most} bytes")
            chunks.append(chunk)
