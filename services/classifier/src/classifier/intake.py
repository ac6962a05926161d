"""While the endpoint's breaker is open nothing is received: posts wait in their queue, where they cost nothing."""

from typing import Protocol

from pipeline.breaker import Breaker, BreakerState


class Pausable(Protocol):
    """The part of a QueueReader that is needed here. Both return at once, and may be called again and again."""

    def pause(self) -> None:
        """Receives nothing until ``resume``. What is in hand stays in hand."""

    def resume(self) -> None:
        """Receives again."""


def pause_while_open(breaker: Breaker, reader: Pausable) -> None:
    """From now on the reader is paused whenever the breaker is not closed."""

    def follow(state: BreakerState) -> None:
        if state is BreakerState.CLOSED:
            reader.resume()
        else:
            reader.pause()

    breaker.listen(follow)
