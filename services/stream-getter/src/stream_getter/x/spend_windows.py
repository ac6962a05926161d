"""The hour, the day and the month of a budget, in UTC."""

import math
from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from stream_getter.x.budgets import Budget
from stream_getter.x.spend_state import SavedWindow

#: Of a budget; from there on people are told.
WARNING_SHARE = 0.8
#: A clock that is set back by no more than this goes on in the window it was in, so that none is begun twice. One that
#: is further back was wrong before: windows begin anew by it, or a jump to next year would end reading until then.
STEP_BACK = timedelta(hours=1)


class Period(StrEnum):
    """What a budget is for."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


def bounds(period: Period, moment: datetime, reset_day: int = 1) -> tuple[datetime, datetime]:
    """From when on, and until before when, the window of this UTC moment lasts.

    Months begin on ``reset_day`` (1 to 31), or on their last day where they are shorter.
    """
    hour = moment.replace(minute=0, second=0, microsecond=0)
    if period is Period.HOUR:
        return hour, hour + timedelta(hours=1)
    day = hour.replace(hour=0)
    if period is Period.DAY:
        return day, day + timedelta(days=1)
    start = _reset(day.year, day.month, reset_day, day)
    if start <= day:
        return start, _reset(day.year + day.month // 12, day.month % 12 + 1, reset_day, day)
    return _reset(day.year - (day.month == 1), (day.month - 2) % 12 + 1, reset_day, day), start


def _reset(year: int, month: int, reset_day: int, midnight: datetime) -> datetime:
    return midnight.replace(year=year, month=month, day=min(reset_day, monthrange(year, month)[1]))


@dataclass(slots=True)
class Window:
    """One window and what was read in it. ``base`` is what the reader had counted in all when the window was empty.

    ``beyond`` is what X has counted of the month beside that: by others of the project, or before a lost memory.
    ``told`` is the level that there is news of, ``handed`` that of the news handed out to be told, and ``heard`` the
    one that people know of.
    """

    period: Period
    budget: Budget | None
    start: datetime
    end: datetime
    base: int
    beyond: int = 0
    told: int = 0
    handed: int = 0
    heard: int = 0
    cap: int | None = None

    def posts(self, counted: int) -> int:
        """Posts of this window when ``counted`` were counted in all."""
        return counted - self.base + self.beyond

    def limit(self) -> int | None:
        """Posts that may be read: the user's budget, or X's own cap where that is less."""
        limits = [limit for limit in (self.budget.posts if self.budget else None, self.cap) if limit is not None]
        return min(limits, default=None)

    def what(self) -> str:
        """The budget in words."""
        if self.budget and (self.cap is None or self.budget.posts <= self.cap):
            return f"the budget of the {self.period}, {self.budget.said},"
        return f"X's own cap of the {self.period}, {self.cap} posts,"

    def level(self, counted: int) -> int:
        """2: spent; 1: nearly; 0: there is room."""
        return sum(self.posts(counted) >= mark for mark in self._marks())

    def reach(self, level: int) -> None:
        """Its level is this now; what is above it would be news again."""
        self.told, self.handed, self.heard = level, min(self.handed, level), min(self.heard, level)

    def saved(self, counted: int) -> SavedWindow:
        """What is kept of it. A level that people do not know of yet is told by a later start."""
        posts = max(0, counted - self.base)
        return SavedWindow(start=self.start, end=self.end, posts=posts, told=self.heard, beyond=self.beyond)

    def next_mark(self, counted: int) -> float:
        """How many must be counted in all for the level to rise."""
        marks = (mark - self.beyond + self.base for mark in self._marks())
        return min((mark for mark in marks if mark > counted), default=math.inf)

    def share(self, counted: int) -> float:
        """What is spent of the budget; above 1 by what was on its way when it was. 0 without one."""
        limit = self.limit()
        return self.posts(counted) / limit if limit else 0.0

    def is_over(self, now: datetime) -> bool:
        """Whether the next one has begun, or the clock was wrong when this one did."""
        return now >= self.end or now < self.start - STEP_BACK

    def _marks(self) -> tuple[int, ...]:
        limit = self.limit()
        return () if limit is None else (math.ceil(limit * WARNING_SHARE), limit)
