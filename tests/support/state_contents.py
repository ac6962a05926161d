"""Contents for tests of the stores of state: as an older, a present and a newer service would have them."""

from typing import ClassVar

import msgspec

from pipeline.state_envelope import StateContent


class Story(msgspec.Struct, frozen=True):
    id: str
    posts: int = 0


class Cursor(StateContent, frozen=True, kw_only=True):
    """What most tests keep. ``spent`` can hold what JSON cannot: NaN."""

    position: int
    name: str = ""
    spent: float = 0.0
    stories: list[Story] = msgspec.field(default_factory=list)


class CursorWithMore(Cursor, frozen=True, kw_only=True):
    """The same version with an optional field more, which the present service does not know."""

    backlog: int = 7


class CursorOfTomorrow(Cursor, frozen=True, kw_only=True):
    """What the present service would misread."""

    VERSION: ClassVar[int] = 2


class Silences(StateContent, frozen=True, kw_only=True):
    labels: list[str]
