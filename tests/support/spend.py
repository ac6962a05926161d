"""A spend guard under a clock that tests set, and everything that can be seen of it."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

from stream_getter.x.budgets import Budget
from stream_getter.x.spend_guard import BudgetGuard, Told
from stream_getter.x.spend_windows import Period

PRICE = 0.005
MORNING = datetime(2026, 11, 20, 8, 15, 10, tzinfo=UTC)


@dataclass
class SetClock:
    """Stands still until it is set."""

    now: datetime = MORNING

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **distance: float) -> None:
        self.now += timedelta(**distance)


@dataclass
class GuardAtWork:
    """``posts`` by period are the budgets."""

    posts: dict[Period, int]
    clock: SetClock = field(default_factory=SetClock)
    remembered_ids: int = 1000
    _ids: "count[int]" = field(default_factory=count)

    def __post_init__(self) -> None:
        self.stopping = threading.Event()
        self.wake = threading.Event()
        self.start()

    def start(self) -> None:
        """A new guard, as after a restart, that knows of nothing."""
        budgets = {period: Budget(posts, f"{posts} posts") for period, posts in self.posts.items()}
        self.guard = BudgetGuard(dict(budgets), PRICE, self.clock, self.stopping, self.wake, self.remembered_ids)

    def restart(self) -> None:
        """A new guard that goes on from what the one before has saved."""
        saved = self.guard.state()
        self.start()
        self.guard.go_on_from(saved, merge="add")

    def read(self, posts: int) -> bool:
        """So many posts that were never read before; whether the stream is to be closed."""
        return [self.guard.count(f"x:{next(self._ids)}") for _ in range(posts)][-1]

    def read_ids(self, ids: Iterable[str]) -> None:
        for id_ in ids:
            self.guard.count(id_)

    def counted(self, period: Period) -> int:
        window = self.guard.state().windows[period]
        return window.posts + window.beyond

    def told(self) -> list[Told]:
        """The news, which people know from now on."""
        news = self.guard.news()
        self.guard.news_was_told()
        return news

    def kinds(self) -> list[str]:
        return [told.kind for told in self.told()]
