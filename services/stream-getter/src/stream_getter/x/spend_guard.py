"""Counts what is read against the budgets, and closes the stream while one of them is spent.

X bills a post once per UTC day, so an id counts once per UTC day, as far as a bounded memory of ids goes; what it has
forgotten (at a restart, or after very many posts) counts again: rather too much than too little. Lines of the stream
that hold no post are not counted.
"""

import math
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from pipeline.contracts import Severity
from stream_getter.metrics import Metrics
from stream_getter.x.budgets import Budget
from stream_getter.x.spend_state import SavedWindow, SpendState
from stream_getter.x.spend_windows import STEP_BACK, Period, Window, bounds
from stream_getter.x.usage import XUsage

#: Ids of the day that are remembered, in two halves: X's backfill of five minutes at 250 posts/s is 75,000.
REMEMBERED_IDS = 200_000
#: Seconds between two looks at the clock while the stream is closed.
_LOOK_SECONDS = 1.0
_PENDING = 100
#: How long X's figure may be that of the month before, if it has not fallen since.
_LAG = timedelta(hours=6)


class Told(NamedTuple):
    """What people are to hear; the arguments of Notices.tell."""

    kind: str
    severity: Severity
    text: str
    figures: dict[str, float]


class BudgetGuard:
    """See SpendGuard. Safe for any thread; SpendKeeper does what takes time.

    ``budgets`` by their period; ``wake`` is set when there is something to tell.
    """

    def __init__(
        self,
        budgets: dict[Period, Budget | None],
        post_price_usd: float,
        now: Callable[[], datetime],
        stopping: threading.Event,
        wake: threading.Event,
        remembered_ids: int = REMEMBERED_IDS,
    ) -> None:
        self._price = post_price_usd
        self._now = now
        self._stopping = stopping
        self._wake = wake
        self._lock = threading.Lock()
        self._counted = 0
        self._half = max(1, remembered_ids // 2)
        self._young: set[str] = set()
        self._old: set[str] = set()
        self._reset_day = 1
        self._x: XUsage | None = None
        self._x_of_last_month = False
        self._month_turned = False
        self._pending: deque[Told] = deque(maxlen=_PENDING)
        moment = now().astimezone(UTC)
        self._windows = {each: Window(each, budgets.get(each), *bounds(each, moment), base=0) for each in Period}
        self._spent: Window | None = None
        self._closed_by = ("", 0)  # what was spent, in words, and its posts
        self._mark = math.inf
        self._see_limits()
        self._judge()

    def count(self, post_id: str) -> bool:
        """See SpendGuard."""
        with self._lock:
            now = self._now()
            if not self._since <= now < self._until:
                self._turn(now)
            if post_id in self._young or post_id in self._old:
                return self._spent is not None
            self._young.add(post_id)
            if len(self._young) >= self._half:
                self._young, self._old = set(), self._young
            self._counted += 1
            if self._counted >= self._mark:
                self._judge()
            return self._spent is not None

    def closed(self) -> str | None:
        """See SpendGuard. Of several budgets that are spent it names the one that lasts longest."""
        with self._lock:
            self._look_at_the_clock()
            return self._words(self._spent) if self._spent else None

    def wait(self) -> None:
        """See SpendGuard."""
        if self.closed():
            self._stopping.wait(_LOOK_SECONDS)

    def x_said(self, said: XUsage) -> bool:
        """Takes X's figures of the month; False where they still seem to be those of the month before.

        What X counted beyond what was counted here counts too. X lags, so its figure never takes away from that, and
        one that falls, as when X's month turns, replaces what an earlier one has added. A reset day that changes moves
        the month's end, and what was counted stays: so were it the number of days left, the month could only turn at a
        wrong midnight, and the next figure would put it right.
        """
        with self._lock:
            self._look_at_the_clock()
            now, month = self._now().astimezone(UTC), self._windows[Period.MONTH]
            month.cap = said.cap
            if said.reset_day is not None and said.reset_day != self._reset_day:
                self._move_reset_day(said.reset_day, now)
            fell = self._x is not None and said.posts < self._x.posts
            lags = self._x_of_last_month and not fell and now < month.start + _LAG
            if not lags:
                more = max(0, said.posts - (self._counted - month.base))
                month.beyond = more if fell else max(more, month.beyond)
                self._x_of_last_month = False
            self._x = said
            self._judge()
            return not lags

    def month_has_turned(self) -> bool:
        """Whether it has since this was asked last: then X's figure is of another month."""
        with self._lock:
            self._look_at_the_clock()
            turned, self._month_turned = self._month_turned, False
            return turned

    def news(self) -> list[Told]:
        """What has happened since this was asked last, for people. Once they know it, ``news_was_told``."""
        with self._lock:
            news = list(self._pending)
            self._pending.clear()
            for window in self._windows.values():
                window.handed = window.told
            return news

    def news_was_told(self) -> None:
        """What ``news`` gave is known to people: so says ``state`` from now on, and no later start tells it again."""
        with self._lock:
            for window in self._windows.values():
                window.heard = window.handed

    def state(self) -> SpendState:
        """What a later start goes on from."""
        with self._lock:
            self._look_at_the_clock()
            windows = {str(period): window.saved(self._counted) for period, window in self._windows.items()}
            usage, cap = (self._x.posts, self._x.cap) if self._x else (None, None)
            return SpendState(windows=windows, reset_day=self._reset_day, x_usage=usage, x_cap=cap)

    def go_on_from(self, saved: SpendState, *, merge: Literal["add", "larger"]) -> None:
        """Takes what was saved of the windows that still last.

        ``add``: by an earlier run of this reader, which counted other posts. ``larger``: by another reader, who reads
        the same posts; X bills those once, so the larger count is right.
        """
        with self._lock:
            self._look_at_the_clock()
            now = self._now().astimezone(UTC)
            if self._x is None and saved.x_usage is not None:
                self._x = XUsage(saved.x_usage, saved.x_cap, saved.reset_day)
                self._windows[Period.MONTH].cap = saved.x_cap
                self._move_reset_day(saved.reset_day, now)
                month = saved.windows.get(Period.MONTH)
                self._x_of_last_month = month is not None and month.end <= now
            for period, window in self._windows.items():
                before = saved.windows.get(period)
                if before and before.start - STEP_BACK <= now < before.end:
                    self._take(window, before, merge, now)
            self._see_limits()
            self._judge()

    def export(self, metrics: Metrics) -> None:
        """From now on the metrics show what is counted here."""
        for period in Period:
            for gauge, figure in (
                (metrics.spend_posts, self._posts),
                (metrics.spend_usd, self._usd),
                (metrics.budget_share, self._share),
            ):
                gauge.labels(str(period)).set_function(_of(figure, period))
        metrics.budget_closed.set_function(lambda: 1.0 if self.closed() else 0.0)
        metrics.x_usage_posts.set_function(lambda: float(self._x.posts) if self._x else 0.0)
        metrics.x_cap_posts.set_function(lambda: float(self._x.cap or 0) if self._x else 0.0)

    def _move_reset_day(self, reset_day: int, now: datetime) -> None:
        month = self._windows[Period.MONTH]
        self._reset_day = reset_day
        month.start, month.end = bounds(Period.MONTH, now, reset_day)
        self._see_limits()

    def _take(self, window: Window, before: SavedWindow, merge: Literal["add", "larger"], now: datetime) -> None:
        own, beyond = self._counted - window.base, window.beyond
        posts = own + before.posts if merge == "add" else max(own, before.posts)
        window.base = self._counted - posts
        window.beyond = max(before.beyond, own + beyond - posts)
        window.told = max(window.told, before.told)
        window.handed, window.heard = max(window.handed, before.told), max(window.heard, before.told)
        if before.start > now:  # the clock was set back a little meanwhile
            window.start, window.end = before.start, before.end

    def _look_at_the_clock(self) -> None:
        now = self._now()
        if not self._since <= now < self._until:
            self._turn(now)

    def _turn(self, now: datetime) -> None:
        for period, window in self._windows.items():
            if not window.is_over(now):
                continue
            window.start, window.end = bounds(period, now.astimezone(UTC), self._reset_day)
            window.base, window.beyond = self._counted, 0
            window.reach(0)
            if period is Period.DAY:
                self._young, self._old = set(), set()
            if period is Period.MONTH:
                self._month_turned = self._x_of_last_month = True
        self._see_limits()
        self._judge()

    def _see_limits(self) -> None:
        self._since = max(window.start for window in self._windows.values()) - STEP_BACK
        self._until = min(window.end for window in self._windows.values())

    def _judge(self) -> None:
        before = self._spent
        for window in self._windows.values():
            level = window.level(self._counted)
            if level > window.told:
                self._tell(window, level)
            window.reach(level)
        spent = [window for window in self._windows.values() if window.told == 2]
        self._spent = max(spent, key=lambda window: window.end, default=None)
        self._mark = min(window.next_mark(self._counted) for window in self._windows.values())
        if self._spent:
            self._closed_by = self._spent.what(), self._spent.limit() or 0
        elif before:
            limit = before.limit()
            # X may have a cap no more: then it is told as it was
            what, limit = self._closed_by if limit is None else (before.what(), limit)
            text = f"reading again: of {what} {before.posts(self._counted)} posts are spent"
            self._say("reading again", Severity.INFO, text, before, limit)

    def _tell(self, window: Window, level: int) -> None:
        if level == 2:
            self._say("budget spent", Severity.CRITICAL, self._words(window), window, window.limit() or 0)
            return
        posts = window.posts(self._counted)
        figures = f"{posts} posts, {self._price * posts:.2f} USD"
        text = f"of {window.what()} {window.share(self._counted):.0%} are spent: {figures}"
        self._say("budget nearly spent", Severity.WARNING, text, window, window.limit() or 0)

    def _say(self, kind: str, severity: Severity, text: str, window: Window, limit: int) -> None:
        posts = window.posts(self._counted)
        figures = {
            "posts": float(posts),
            "budget_posts": float(limit),
            "usd": round(posts * self._price, 6),
            "budget_usd": round(limit * self._price, 6),
        }
        self._pending.append(Told(kind, severity, text, figures))
        self._wake.set()

    def _words(self, window: Window) -> str:
        same_day = window.end.date() == self._now().astimezone(UTC).date()
        when = f"at {window.end:%H:%M} UTC" if same_day else f"on {window.end:%Y-%m-%d} at {window.end:%H:%M} UTC"
        return f"{window.what()} is spent: reading again {when}"

    def _posts(self, period: Period) -> float:
        with self._lock:
            self._look_at_the_clock()
            return float(self._windows[period].posts(self._counted))

    def _usd(self, period: Period) -> float:
        return self._posts(period) * self._price

    def _share(self, period: Period) -> float:
        with self._lock:
            self._look_at_the_clock()
            return self._windows[period].share(self._counted)


def _of(figure: Callable[[Period], float], period: Period) -> Callable[[], float]:
    return lambda: figure(period)
