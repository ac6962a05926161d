"""Whole lines from a stream of bytes that is cut anywhere."""

from collections.abc import Iterator


class LineSplitter:
    """Feeds on chunks and yields whole lines without their ends; an unfinished one is kept for the next chunk.

    Lines end with CR LF as on X's stream, or LF. A line longer than ``max_bytes`` is not held: it is passed over to
    its end, and counted in ``refused``.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rest = bytearray()
        self._skipping = False
        self.refused = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The lines that this chunk completes; empty ones (keep-alives) included."""
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            if self._skipping:
                self._skipping = False
            elif len(self._rest) + end - start > self._max_bytes:
                self._refuse()
            elif self._rest:
                self._rest += chunk[start:end]
                line = bytes(self._rest)
                self._rest.clear()
                yield line.removesuffix(b"\r")
            else:
                yield chunk[start:end].removesuffix(b"\r")
            start = end + 1
        if not self._skipping:
            self._rest += chunk[start:]
            if len(self._rest) > self._max_bytes:
                self._refuse()
                self._skipping = True

    @property
    def unfinished(self) -> int:
        """Bytes of a line whose end has not come; they are lost if the stream ends here."""
        return len(self._rest)

    def _refuse(self) -> None:
        self._rest.clear()
        self.refused += 1
