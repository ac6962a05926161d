"""What the project has used of its month, and day by day, as GET /2/usage/tweets tells it."""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from simulator import problems
from simulator.answer import Answer
from simulator.clock import Clock
from simulator.payload import Post

PROJECT_ID = "1790000000000000001"
CLIENT_APP_ID = "17900001"
DEFAULT_FIELDS = ("cap_reset_day", "project_cap", "project_id", "project_usage")
DAILY_FIELDS = ("daily_client_app_usage", "daily_project_usage")
MOST_DAYS = 90
DEFAULT_DAYS = 7


class ProjectUsage:
    """Counts a post once, however many connections got it (X bills a post once per UTC day).

    `used` were used before the simulator started: they are in no day.
    """

    def __init__(self, *, cap: int, used: int, clock: Clock) -> None:
        self._cap = cap
        self._used = used
        self._clock = clock
        self._lock = threading.Lock()
        self._of_day: Counter[datetime] = Counter()

    def count(self, posts: Iterable[Post]) -> None:
        """Add these posts to what was used."""
        added = sum(1 for _ in posts)
        with self._lock:
            self._used += added
            self._of_day[self._today()] += added

    def answer(self, query: Mapping[str, Sequence[str]]) -> Answer:
        """X API v2, "Get usage"; query: days (1 to 90), usage.fields. The numbers of posts are strings in it."""
        days = query.get("days", [str(DEFAULT_DAYS)])[0]
        if not (days.isascii() and days.isdecimal() and 1 <= int(days) <= MOST_DAYS):
            message = f"The `days` query parameter value [{days}] is not between 1 and {MOST_DAYS}"
            return Answer(400, problems.invalid_request(message))
        fields = ",".join(query.get("usage.fields", DEFAULT_FIELDS)).split(",")
        if unknown := set(fields) - {*DEFAULT_FIELDS, *DAILY_FIELDS}:
            known = ",".join(sorted((*DEFAULT_FIELDS, *DAILY_FIELDS)))
            message = f"The `usage.fields` query parameter value [{sorted(unknown)[0]}] is not one of [{known}]"
            return Answer(400, problems.invalid_request(message))
        everything = self._everything(int(days))
        return Answer(200, {"data": {name: everything[name] for name in everything if name in fields}})

    def _everything(self, days: int) -> dict[str, Any]:
        with self._lock:
            used = self._used
            first = self._today() - timedelta(days=days - 1)
            daily = [
                {"date": f"{day:%Y-%m-%d}T00:00:00.000Z", "usage": str(count)}
                for day, count in sorted(self._of_day.items())
                if day >= first
            ]
        of_app = {"client_app_id": CLIENT_APP_ID, "usage": daily, "usage_result_count": len(daily)}
        return {
            "cap_reset_day": 1,
            "daily_client_app_usage": [of_app],
            "daily_project_usage": {"project_id": PROJECT_ID, "usage": daily},
            "project_cap": str(self._cap),
            "project_id": PROJECT_ID,
            "project_usage": str(used),
        }

    def _today(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC).replace(hour=0, minute=0, second=0, microsecond=0)
