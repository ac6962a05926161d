"""What is said while the endpoint does not answer: it is waited for, as the service does, but not in silence."""

from collections.abc import Callable

from pipeline.errors import Unavailable
from pipeline.hostile_text import one_line

#: Seconds without an answer from which on it is said. A first probe takes less.
_SILENCE = 2.0
_REASON_LENGTH = 300


class Waiting:
    """``trouble`` tells why nothing can be asked, or None. ``timeout``: seconds without any answer that are waited for.

    For one thread. ``clock`` gives seconds that never go back.
    """

    def __init__(
        self,
        what: str,
        trouble: Callable[[], str | None],
        remark: Callable[[str], None],
        timeout: float | None,
        clock: Callable[[], float],
    ) -> None:
        self._what = what
        self._trouble = trouble
        self._remark = remark
        self._timeout = timeout
        self._clock = clock
        self._answers = 0
        self._since = clock()
        self._has_told = False

    def look(self, answers: int) -> None:
        """Call it again and again with the answers so far. Raises Unavailable once the time is over."""
        now = self._clock()
        if answers != self._answers:
            self._answers, self._since = answers, now
            self._has_told = False
            return
        silent = now - self._since
        trouble = self._trouble()
        if trouble and silent >= _SILENCE and not self._has_told:
            self._has_told = True
            self._remark(f"waiting for {self._what}: {one_line(trouble, _REASON_LENGTH)} (Ctrl-C ends it)")
        if self._timeout is not None and silent >= self._timeout:
            reason = one_line(trouble or "it takes too long", _REASON_LENGTH)
            raise Unavailable(f"{self._what}: no answer within {self._timeout:g} s: {reason}")
