"""What reading costs, and when to stop: X bills each post that is read."""

from typing import Protocol


class SpendGuard(Protocol):
    """Watches the budgets of one process. Safe for any thread; ``count`` costs the stream next to nothing."""

    def count(self, post_id: str) -> bool:
        """One more post was read; whether the stream must be closed now. What was read already is paid for."""

    def closed(self) -> str | None:
        """Why the stream must stay closed, in one line for /readyz; None while posts may be read."""

    def wait(self) -> None:
        """Waits a while where the stream is closed, until its window turns or the service stops; call it again."""

    def close(self, seconds: float) -> None:
        """Saves what was counted, within ``seconds``. Called last, once."""


class NoBudget:
    """Nothing is limited."""

    def count(self, post_id: str) -> bool:  # noqa: ARG002 - nothing is counted
        """As SpendGuard has it."""
        return False

    def closed(self) -> str | None:
        """As SpendGuard has it."""
        return None

    def wait(self) -> None:
        """As SpendGuard has it."""

    def close(self, seconds: float) -> None:
        """As SpendGuard has it."""
