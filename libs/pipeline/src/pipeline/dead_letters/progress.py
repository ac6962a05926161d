"""How far a command has come: a bar on a terminal, a line from time to time elsewhere."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from pipeline.quiet_tqdm import QuietTqdm

#: Seconds between two lines where there is no terminal.
LINE_SECONDS = 10.0


class Progress(Protocol):
    """A context. ``show`` may be called as often as one likes; it draws or writes only now and then."""

    def show(self, messages: int, told: str = "") -> None:
        """So many messages so far, and in words what came of them."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def progress_on(stream: TextIO, what: str, total: int, clock: Callable[[], float]) -> Progress:
    """A bar where the stream is a terminal. ``total`` is the messages that there are, approximately."""
    return Bar(stream, what, total) if stream.isatty() else Lines(stream, what, total, clock)


class Lines:
    """A line every ten seconds, the first after as many: a short run says nothing."""

    def __init__(self, stream: TextIO, what: str, total: int, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._what = what
        self._total = total
        self._clock = clock
        self._next = clock() + LINE_SECONDS

    def show(self, messages: int, told: str = "") -> None:
        """As Progress has it."""
        if self._clock() < self._next:
            return
        self._next = self._clock() + LINE_SECONDS
        self._stream.write(f"{self._what}: {messages:,} of about {self._total:,}{', ' if told else ''}{told}\n")
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """There is nothing to take away."""


class Bar:
    """A bar that is taken away at the end, for the lines that sum up."""

    def __init__(self, stream: TextIO, what: str, total: int) -> None:
        self._bar: Any = QuietTqdm(
            total=total or None, desc=what, unit=" messages", file=stream, leave=False, dynamic_ncols=True
        )

    def show(self, messages: int, told: str = "") -> None:
        """As Progress has it."""
        self._bar.set_postfix_str(told, refresh=False)
        self._bar.update(messages - self._bar.n)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
