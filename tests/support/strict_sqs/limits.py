"""Amazon's bounds (SQS Developer Guide: "Amazon SQS standard queue quotas", "Amazon SQS message quotas")."""

from dataclasses import dataclass

SECOND_MS = 1000
#: Seconds that a message may stay invisible, counted from its receive.
LONGEST_VISIBILITY = 43_200
LONGEST_DELAY = 900
LONGEST_POLL = 20
BATCH_ENTRIES = 10
#: Bytes of a message, and of all messages of a batch.
LARGEST_PAYLOAD = 1_048_576
#: Attributes of a message, and the length of their names and types.
ATTRIBUTES = 10
ATTRIBUTE_NAME_LENGTH = 256
#: Messages a second that a move task moves at most, and where it was given no rate.
MOVES_PER_SECOND = 500


@dataclass(frozen=True)
class Limits:
    """Bounds that a test may lower: the figures of AWS are too large to reach. Waits are in seconds."""

    in_flight: int = 120_000
    between_purges: int = 60
    before_recreation: int = 60
