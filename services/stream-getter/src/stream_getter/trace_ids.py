"""Trace ids for posts: 128 random bits each, in hexadecimal digits."""

from collections.abc import Callable

_BYTES = 16
_AT_ONCE = 256


class TraceIds:
    """A new id by each call, from any thread. ``random_bytes`` gives so many bytes, as ``os.urandom`` does.

    It is asked for many ids at once: each time it lets another thread run, and while that one is busy the wait for
    one's turn costs more than all else that is done with a post.
    """

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._ready: list[str] = []

    def __call__(self) -> str:
        """The next id."""
        try:
            return self._ready.pop()
        except IndexError:
            digits = self._random_bytes(_BYTES * _AT_ONCE).hex()
        first, *others = (digits[start : start + 2 * _BYTES] for start in range(0, len(digits), 2 * _BYTES))
        self._ready.extend(others)
        return first
