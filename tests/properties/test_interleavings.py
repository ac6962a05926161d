"""Reader, handler and writer in random interleavings of faults, kills and clock jumps: the accounts balance each time.

INTERLEAVINGS says how many are run (500 without; `make properties` runs 10,000), SEED repeats a run.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from pipeline.queue_reader import QueueReader, ReceivedMessage
from tests.properties.books import Broken
from tests.properties.interleavings import Tally, interleavings
from tests.properties.service import Parts
from tests.properties.threads import Threads

INTERLEAVINGS = int(os.environ.get("INTERLEAVINGS") or 500)
SEED = int(os.environ.get("SEED") or 1)
#: Events in one interleaving, at most.
_EVENTS = 40


def run(parts: Parts, number: int, seed_: int) -> int:
    """So many interleavings of these parts; how many were run. Raises Broken for the first that breaks a promise."""
    tally = Tally()
    machine = seed(seed_)(interleavings(parts, tally, Threads()))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=number,
            stateful_step_count=_EVENTS,
            database=None,
            # a failure is told as it is: to shrink it takes minutes, and SEED repeats it
            phases=[Phase.generate],
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return tally.interleavings


def test_every_message_ends_handled_or_in_the_dead_letters(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        done = run(Parts(), INTERLEAVINGS, SEED)
    except BaseException:
        with capsys.disabled():
            print(f"\nto repeat it: SEED={SEED} INTERLEAVINGS={INTERLEAVINGS}")  # noqa: T201 - for whoever looks on
        raise
    with capsys.disabled():
        print(f"{done} interleavings with seed {SEED}")  # noqa: T201 - for whoever looks on
    assert done >= INTERLEAVINGS


class ReaderThatDeletesWhatItIsToGiveBack(QueueReader):
    """Loses what could not be finished."""

    def give_back(self, messages: list[ReceivedMessage], delay_seconds: int = 0) -> None:  # type: ignore[override]
        self.delete(messages)


class ReaderThatThrowsPoisonAway(QueueReader):
    """Writes no dead letters."""

    def dead_letter(self, message: ReceivedMessage, reason: str, log_reason: str | None = None) -> None:
        self.delete([message])


@pytest.mark.parametrize("reader", [ReaderThatDeletesWhatItIsToGiveBack, ReaderThatThrowsPoisonAway])
def test_a_reader_that_loses_messages_is_found_out(reader: type[QueueReader]) -> None:
    with pytest.raises(Broken):
        run(Parts(reader=reader), 200, SEED)
