"""What the simulator says that it has sent, and whether a reader's figures agree with it."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.x_reader import XReader

#: Faults each of which is a line, or a part of one, that holds no post.
LINES_WITHOUT_POST = (
    "cut",
    "half-line",
    "malformed",
    "no-stream",
    "operational-disconnect",
    "overlong",
    "unknown-message",
)


class SimulatorLedger:
    """The ledger's file as it is now."""

    def __init__(self, path: Path) -> None:
        self._events: list[dict[str, Any]] = [json.loads(line) for line in path.read_bytes().splitlines()]

    def ids(self, event: str) -> list[str]:
        """Of posts, in the order of writing; one for each time."""
        return [line["id"] for line in self._events if line["event"] == event]

    @property
    def faults(self) -> Counter[str]:
        """How often each kind has acted."""
        return Counter(line["what"] for line in self._events if line["event"] == "fault")

    @property
    def connections(self) -> int:
        """Streams that were opened."""
        return sum(line["event"] == "connected" for line in self._events)


def assert_balanced(ledger: SimulatorLedger, reader: XReader) -> None:
    """Each post that was sent whole was forwarded once; all else that was sent is counted; nothing was made up."""
    sent = ledger.ids("sent")
    forwarded = reader.forwarded
    assert sorted(forwarded) == sorted(set(sent))
    assert reader.total("posts_received") == len(sent)
    assert reader.total("posts_repeated") == len(sent) - len(set(sent))
    assert reader.total("posts_dropped") == 0
    without_post = sum(ledger.faults[what] for what in LINES_WITHOUT_POST) + len(ledger.ids("spoiled"))
    assert reader.total("lines_refused") == without_post, (reader.by_label("lines_refused"), ledger.faults)
