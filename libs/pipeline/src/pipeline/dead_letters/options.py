"""What a user has asked for, checked."""

from dataclasses import dataclass

from pipeline.dead_letters.selection import EVERYTHING, Selection
from pipeline.dead_letters.words import counted


@dataclass(frozen=True, kw_only=True)
class Options:
    """What all commands have. ``prefix``: what queues' names begin with; None where the user has not said."""

    prefix: str | None = None
    visibility: int | None = None


@dataclass(frozen=True, kw_only=True)
class ListOptions(Options):
    """``queue`` is None for all queues."""

    queue: str | None = None
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class ShowOptions(Options):
    """``message_id`` or else the ``first`` so many."""

    queue: str
    message_id: str = ""
    first: int = 1
    json: bool = False


@dataclass(frozen=True, kw_only=True)
class ChangeOptions(Options):
    """What redrive and purge have in common."""

    queue: str
    selection: Selection = EVERYTHING
    limit: int | None = None
    yes: bool = False
    dry_run: bool = False

    @property
    def is_everything(self) -> bool:
        """Whether all messages of the queue are meant."""
        return self.selection.is_everything and self.limit is None

    def told(self, messages: int, where: str) -> str:
        """Which messages are meant, in words; ``messages`` is how many there are in all, approximately."""
        if self.is_everything:
            return f"all messages, about {messages:,}, of {where}"
        which = "every message" if self.limit is None else f"{counted(self.limit, 'message')} at most"
        condition = "" if self.selection.is_everything else f" {self.selection}"
        return f"{which}{condition}, of about {messages:,} in {where}"


@dataclass(frozen=True, kw_only=True)
class PurgeOptions(ChangeOptions):
    """Nothing more."""


@dataclass(frozen=True, kw_only=True)
class RedriveOptions(ChangeOptions):
    """``rate`` is in messages a second, None for as fast as can be. ``by_server``: SQS moves them by itself."""

    rate: int | None = None
    by_server: bool = False
