"""How far a trial has come: a bar on a terminal, nothing elsewhere."""

from types import TracebackType
from typing import Any, Self, TextIO

from pipeline.quiet_tqdm import QuietTqdm


class Progress:
    """A context; the bar is taken away at its end. For one thread."""

    def __init__(self, stream: TextIO, what: str, total: int) -> None:
        self._bar: Any = QuietTqdm(
            total=total,
            desc=what,
            unit=" posts",
            file=stream,
            leave=False,
            dynamic_ncols=True,
            disable=not stream.isatty(),
        )

    def show(self, posts: int) -> None:
        """So many posts so far."""
        self._bar.update(posts - self._bar.n)

    def remark(self, line: str, stream: TextIO) -> None:
        """A line that does not run into the bar."""
        self._bar.write(line, file=stream)
        stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
