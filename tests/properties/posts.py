"""What is sent through the simulation, and what each post must lead to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.sqs_rules import ATTRIBUTES, BATCH_BYTES

#: Bytes of a large alert: seven of them are more than a batch may have.
_LARGE = 150_000
#: Bytes of the largest alert that is accepted, with its attributes.
LARGEST_ALERT = _LARGE + 200


class Kind(StrEnum):
    """What a post leads to."""

    ALERT = "alert"
    THREE_ALERTS = "three-alerts"
    LARGE_ALERT = "large-alert"
    NOTHING = "nothing"
    POISON = "poison"
    #: Of the largest size and with all attributes that SQS takes, so that a dead letter has no room for its reason.
    FULL_POISON = "full-poison"
    #: Its alert is larger than SQS takes.
    TOO_LARGE = "too-large"
    #: Its alert has a character that SQS refuses.
    REFUSED = "refused"

    @property
    def belongs_in_dead_letters(self) -> bool:
        return self in {Kind.POISON, Kind.FULL_POISON, Kind.TOO_LARGE, Kind.REFUSED}

    @property
    def alerts(self) -> int:
        """How many alerts must be accepted before the post may be deleted."""
        return {Kind.ALERT: 1, Kind.THREE_ALERTS: 3, Kind.LARGE_ALERT: 1}.get(self, 0)


@dataclass(frozen=True)
class Post:
    """A post. Number and kind can be read off its body, which is unlike any other's."""

    number: int
    kind: Kind
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> str:
        start = f"{self.number}:{self.kind}:"
        if self.kind is Kind.FULL_POISON:
            return start.ljust(BATCH_BYTES - _size(self.attributes), "p")
        return start.ljust(100 + 37 * (self.number % 11), "p")

    @staticmethod
    def of(number: int, kind: Kind) -> "Post":
        names = ATTRIBUTES if kind is Kind.FULL_POISON else number % 3
        return Post(number, kind, {f"name-{index}": f"value-{index}" for index in range(names)})


def read_post(body: str) -> tuple[int, Kind]:
    """Number and kind of the post with this body; its end may be missing."""
    number, kind, _ = body.split(":", 2)
    return int(number), Kind(kind)


def alert_bodies(number: int, kind: Kind, put: int) -> list[str]:
    """The alerts that a post leads to; those of another ``put`` have other bodies."""
    match kind:
        case Kind.TOO_LARGE:
            return [f"{number}.0.{put}:".ljust(BATCH_BYTES + 1, "a")]
        case Kind.REFUSED:
            return [f"{number}.0.{put}:\x00"]
        case Kind.LARGE_ALERT:
            return [f"{number}.0.{put}:".ljust(_LARGE, "a")]
        case _:
            return [f"{number}.{index}.{put}:".ljust(60, "a") for index in range(kind.alerts)]


def read_alert(body: str) -> tuple[int, int]:
    """The number of an alert's post, and which of the post's alerts it is."""
    number, index, _ = body.split(":", 1)[0].split(".")
    return int(number), int(index)


def _size(attributes: Mapping[str, str]) -> int:
    return sum(len(name) + len("String") + len(value) for name, value in attributes.items())
