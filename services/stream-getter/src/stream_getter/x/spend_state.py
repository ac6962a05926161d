"""What is kept of the spend, so that a restart within the hour goes on counting."""

from typing import Annotated

import msgspec

from pipeline.contracts import Time
from pipeline.state_envelope import StateContent

KIND = "spend"

_Posts = Annotated[int, msgspec.Meta(ge=0, le=10**15)]


class SavedWindow(msgspec.Struct, frozen=True, kw_only=True):
    """A Window without its budget, which may be another one by then."""

    start: Time
    end: Time
    posts: _Posts
    told: Annotated[int, msgspec.Meta(ge=0, le=2)] = 0
    beyond: _Posts = 0


class SpendState(StateContent, frozen=True, kw_only=True):
    """Windows by their period. ``reset_day`` and ``x_usage`` are what X said last; None where it never did."""

    windows: dict[str, SavedWindow]
    reset_day: Annotated[int, msgspec.Meta(ge=1, le=31)] = 1
    x_usage: _Posts | None = None
    x_cap: _Posts | None = None
