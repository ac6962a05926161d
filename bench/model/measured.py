"""What the processes hand back."""

from dataclasses import dataclass

#: Seconds that a request counts for which the endpoint had no room.
REFUSED = 60.0


@dataclass(frozen=True)
class Measured:
    """Seconds, and seconds of processor time in all threads of the endpoint or of the bare loop."""

    seconds: float
    processor_seconds: float
