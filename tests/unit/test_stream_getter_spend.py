"""What the guard counts, when it closes the stream, when it opens it again, and what it tells."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from prometheus_client import CollectorRegistry

from pipeline.contracts import Severity
from stream_getter.metrics import Metrics
from stream_getter.x.spend_guard import BudgetGuard
from stream_getter.x.spend_state import SavedWindow, SpendState
from stream_getter.x.spend_windows import Period
from stream_getter.x.usage import XUsage
from tests.support.recorded_stop import RecordedStop
from tests.support.spend import MORNING, PRICE, GuardAtWork, SetClock

HOUR, DAY, MONTH = Period.HOUR, Period.DAY, Period.MONTH


def test_without_a_budget_everything_is_counted_and_nothing_closed() -> None:
    work = GuardAtWork({})
    assert not work.read(5000)
    assert work.guard.closed() is None
    assert [work.counted(period) for period in Period] == [5000, 5000, 5000]
    assert work.told() == []


def test_the_stream_is_closed_with_the_last_post_of_the_budget_and_not_before() -> None:
    work = GuardAtWork({HOUR: 100})
    assert not work.read(99)
    assert work.guard.closed() is None
    assert work.read(1)
    assert work.guard.closed() == "the budget of the hour, 100 posts, is spent: reading again at 09:00 UTC"


def test_people_are_told_once_at_80_percent_once_at_100_and_once_when_reading_goes_on() -> None:
    work = GuardAtWork({HOUR: 1000})
    work.read(799)
    assert work.told() == []
    assert not work.wake.is_set()
    work.read(1)
    assert work.wake.is_set()
    (nearly,) = work.told()
    assert (nearly.kind, nearly.severity) == ("budget nearly spent", Severity.WARNING)
    assert nearly.text == "of the budget of the hour, 1000 posts, 80% are spent: 800 posts, 4.00 USD"
    assert nearly.figures == {"posts": 800, "budget_posts": 1000, "usd": 4.0, "budget_usd": 5.0}
    work.read(199)
    assert work.told() == []
    work.read(30)  # those after the first were on their way
    (spent,) = work.told()
    assert (spent.kind, spent.severity) == ("budget spent", Severity.CRITICAL)
    assert spent.text == "the budget of the hour, 1000 posts, is spent: reading again at 09:00 UTC"
    assert spent.figures["posts"] == 1000
    work.clock.now = datetime(2026, 11, 20, 9, tzinfo=UTC)
    assert work.guard.closed() is None
    (again,) = work.told()
    assert (again.kind, again.severity) == ("reading again", Severity.INFO)


def test_a_budget_of_one_post_is_told_as_spent_only() -> None:
    work = GuardAtWork({HOUR: 1})
    assert work.read(1)
    assert work.kinds() == ["budget spent"]


@pytest.mark.parametrize(
    ("period", "last_moment", "words"),
    [
        (HOUR, "2026-11-20T08:59:59.999999", "at 09:00 UTC"),
        (HOUR, "2026-11-20T23:59:59.999999", "on 2026-11-21 at 00:00 UTC"),
        (DAY, "2026-11-20T23:59:59.999999", "on 2026-11-21 at 00:00 UTC"),
        (MONTH, "2026-12-31T23:59:59.999999", "on 2027-01-01 at 00:00 UTC"),
    ],
)
def test_it_opens_at_the_end_of_the_window_and_not_a_microsecond_earlier(
    period: Period, last_moment: str, words: str
) -> None:
    work = GuardAtWork({period: 10}, SetClock(datetime.fromisoformat(last_moment).replace(tzinfo=UTC)))
    assert work.read(10)
    assert work.guard.closed() == f"the budget of the {period}, 10 posts, is spent: reading again {words}"
    work.clock.forward(microseconds=1)
    assert work.guard.closed() is None
    assert work.counted(period) == 0


def test_the_end_of_the_hour_leaves_day_and_month_as_they_are() -> None:
    work = GuardAtWork({HOUR: 10})
    work.read(7)
    work.clock.forward(hours=1)
    work.read(2)
    assert [work.counted(period) for period in Period] == [2, 9, 9]
    work.clock.forward(days=1)
    assert [work.counted(period) for period in Period] == [0, 0, 9]


def test_of_two_spent_budgets_the_longer_one_keeps_the_stream_closed() -> None:
    work = GuardAtWork({HOUR: 10, DAY: 12})
    work.read(10)
    assert "budget of the hour" in str(work.guard.closed())
    work.clock.forward(hours=1)
    assert work.guard.closed() is None
    work.read(10)
    assert "budget of the day" in str(work.guard.closed())
    work.clock.forward(hours=1)
    assert "budget of the day" in str(work.guard.closed())
    work.clock.forward(hours=14)
    assert work.guard.closed() is None


def test_a_post_counts_once_per_utc_day() -> None:
    work = GuardAtWork({})
    work.read_ids(["x:1", "x:2", "x:1", "x:2", "x:1"])
    assert work.counted(HOUR) == 2
    work.clock.forward(hours=15)
    work.read_ids(["x:1"])
    assert work.counted(DAY) == 2
    work.clock.now = datetime(2026, 11, 21, tzinfo=UTC)
    work.read_ids(["x:1", "x:1"])
    assert (work.counted(DAY), work.counted(MONTH)) == (1, 3)


def test_of_ids_it_remembers_at_least_half_of_its_bound_and_at_most_all() -> None:
    work = GuardAtWork({}, remembered_ids=100)
    ids = [f"x:{number}" for number in range(1000)]
    work.read_ids(ids)
    work.read_ids(ids[-50:])
    assert work.counted(HOUR) == 1000
    work.read_ids(ids[:1])
    assert work.counted(HOUR) == 1001
    assert len(work.guard._young) + len(work.guard._old) <= 100


def test_a_restart_within_the_window_goes_on_counting_and_tells_nothing_twice() -> None:
    work = GuardAtWork({HOUR: 100, DAY: 1000})
    work.read(85)
    assert work.kinds() == ["budget nearly spent"]
    work.restart()
    assert [work.counted(period) for period in Period] == [85, 85, 85]
    assert not work.read(14)
    assert work.told() == []
    assert work.read(1)
    assert work.kinds() == ["budget spent"]
    work.restart()
    assert "budget of the hour" in str(work.guard.closed())
    assert work.told() == []
    work.clock.forward(hours=1)
    assert work.guard.closed() is None
    assert work.kinds() == ["reading again"]


def test_a_restart_after_the_window_begins_a_new_one() -> None:
    work = GuardAtWork({HOUR: 100})
    work.read(100)
    saved = work.guard.state()
    work.clock.forward(hours=1)
    work.start()
    work.guard.go_on_from(saved, merge="add")
    assert work.guard.closed() is None
    assert [work.counted(period) for period in Period] == [0, 100, 100]


def test_another_readers_count_holds_where_it_is_the_larger_one() -> None:
    mine, other = GuardAtWork({HOUR: 100}), GuardAtWork({})
    mine.read(30)
    other.read(70)
    mine.guard.go_on_from(other.guard.state(), merge="larger")
    assert mine.counted(HOUR) == 70
    other.guard.go_on_from(mine.guard.state(), merge="larger")
    assert other.counted(HOUR) == 70
    mine.read(30)
    assert mine.guard.closed()


def test_a_state_that_comes_late_is_added() -> None:
    work = GuardAtWork({HOUR: 100})
    work.read(60)
    saved = work.guard.state()
    work.start()
    work.read(30)
    work.guard.x_said(XUsage(70))
    work.guard.go_on_from(saved, merge="add")
    assert [work.counted(period) for period in Period] == [90, 90, 90]


def test_what_x_counted_beyond_holds_when_a_state_comes_late() -> None:
    work = GuardAtWork({})
    work.read(60)
    saved = work.guard.state()
    work.start()
    work.read(30)
    work.guard.x_said(XUsage(200))
    work.guard.go_on_from(saved, merge="add")
    assert [work.counted(period) for period in Period] == [90, 90, 200]


def test_a_day_is_not_begun_twice_by_a_clock_that_is_set_back_over_midnight() -> None:
    work = GuardAtWork({DAY: 10}, SetClock(datetime(2026, 11, 20, 1, 0, 10, tzinfo=UTC)))
    work.read(10)
    work.clock.now = datetime(2026, 11, 19, 23, 59, 50, tzinfo=UTC)
    assert "budget of the day" in str(work.guard.closed())
    work.clock.now = datetime(2026, 11, 20, 1, 0, 10, tzinfo=UTC)
    assert "budget of the day" in str(work.guard.closed())


def test_a_clock_that_is_set_back_a_little_goes_on_in_the_window_it_was_in() -> None:
    work = GuardAtWork({HOUR: 10}, SetClock(datetime(2026, 11, 20, 9, 0, 1, tzinfo=UTC)))
    work.read(10)
    work.clock.forward(seconds=-2)
    assert work.guard.closed()
    work.restart()
    assert work.guard.closed()
    work.clock.forward(seconds=2)
    assert work.guard.closed()
    work.clock.forward(hours=1)
    assert work.guard.closed() is None


def test_a_clock_that_was_a_year_ahead_does_not_close_the_stream_for_a_year() -> None:
    work = GuardAtWork({HOUR: 10, MONTH: 10})
    work.clock.forward(days=400)
    work.read(10)
    saved = work.guard.state()
    work.clock.now = MORNING
    assert work.guard.closed() is None
    assert work.counted(MONTH) == 0
    work.start()
    work.guard.go_on_from(saved, merge="add")
    assert work.guard.closed() is None


def test_the_month_begins_with_the_larger_of_memory_and_x_figure() -> None:
    work = GuardAtWork({MONTH: 1000})
    work.read(100)
    assert work.guard.x_said(XUsage(700))
    work.read(99)
    assert work.kinds() == []
    work.read(1)
    assert (work.counted(MONTH), work.counted(DAY)) == (800, 200)
    assert work.kinds() == ["budget nearly spent"]
    # it lags: what it does not know of yet was counted all the same
    work.guard.x_said(XUsage(750))
    assert work.counted(MONTH) == 800
    work.restart()
    assert work.counted(MONTH) == 800
    work.guard.x_said(XUsage(1200))
    assert "budget of the month, 1000 posts" in str(work.guard.closed())


def test_x_own_cap_is_a_budget_of_the_month() -> None:
    work = GuardAtWork({MONTH: 5000})
    work.guard.x_said(XUsage(900, cap=1000, reset_day=1))
    assert work.kinds() == ["budget nearly spent"]
    work.read(100)
    assert work.guard.closed() == (
        "X's own cap of the month, 1000 posts, is spent: reading again on 2026-12-01 at 00:00 UTC"
    )
    # the account was given more meanwhile
    work.guard.x_said(XUsage(1000, cap=9000, reset_day=1))
    assert work.guard.closed() is None
    work.read(4000)
    assert "the budget of the month, 5000 posts" in str(work.guard.closed())


def test_a_cap_that_closes_again_is_told_again() -> None:
    work = GuardAtWork({})
    for cap in (10, 20):
        work.guard.x_said(XUsage(0, cap=cap))
        work.read(10)
    assert work.kinds() == [
        *["budget nearly spent", "budget spent", "reading again"],
        *["budget nearly spent", "budget spent"],
    ]


def test_a_cap_that_x_names_no_more_is_told_as_it_was() -> None:
    work = GuardAtWork({})
    work.guard.x_said(XUsage(10, cap=10))
    work.told()
    work.guard.x_said(XUsage(10))
    assert work.guard.closed() is None
    (again,) = work.told()
    assert again.text == "reading again: of X's own cap of the month, 10 posts, 10 posts are spent"
    assert again.figures == {"posts": 10, "budget_posts": 10, "usd": 0.05, "budget_usd": 0.05}


def test_the_month_turns_on_the_day_that_x_tells() -> None:
    work = GuardAtWork({MONTH: 100})
    work.guard.x_said(XUsage(100, reset_day=16))
    assert str(work.guard.closed()).endswith("reading again on 2026-12-16 at 00:00 UTC")
    work.restart()
    work.clock.now = datetime(2026, 12, 15, 23, 59, tzinfo=UTC)
    assert work.guard.closed()
    work.clock.now = datetime(2026, 12, 16, tzinfo=UTC)
    assert work.guard.closed() is None
    assert work.guard.state().windows[MONTH].end == datetime(2027, 1, 16, tzinfo=UTC)


def test_a_reset_day_that_moves_every_day_forgets_nothing() -> None:
    """As if the figure were the number of days left, as one of X's references has it."""
    work = GuardAtWork({MONTH: 100})
    for left in range(10, 4, -1):
        work.read(10)
        work.guard.x_said(XUsage(work.counted(MONTH), reset_day=left))
        work.clock.forward(days=1)
    assert work.counted(MONTH) == 60


def test_x_figure_of_the_last_month_does_not_fill_the_new_one() -> None:
    work = GuardAtWork({MONTH: 1000}, SetClock(datetime(2026, 11, 30, 23, 59, tzinfo=UTC)))
    work.guard.x_said(XUsage(1500))
    assert work.guard.closed()
    work.clock.forward(minutes=2)
    assert work.guard.closed() is None
    assert work.guard.month_has_turned()
    assert not work.guard.month_has_turned()
    assert not work.guard.x_said(XUsage(1600))
    assert work.guard.closed() is None
    assert work.guard.x_said(XUsage(3))
    assert work.counted(MONTH) == 3
    assert work.guard.x_said(XUsage(1700))
    assert work.guard.closed()


def test_x_figure_of_the_last_month_is_known_after_a_restart_too() -> None:
    work = GuardAtWork({MONTH: 1000}, SetClock(datetime(2026, 11, 30, 23, 59, tzinfo=UTC)))
    work.guard.x_said(XUsage(1500))
    saved = work.guard.state()
    work.clock.forward(minutes=2)
    work.start()
    work.guard.go_on_from(saved, merge="add")
    assert not work.guard.x_said(XUsage(1500))
    assert work.guard.closed() is None
    work.clock.forward(hours=7)
    assert work.guard.x_said(XUsage(1500))
    assert work.guard.closed()


def test_a_figure_of_x_that_falls_replaces_what_the_one_before_added() -> None:
    work = GuardAtWork({MONTH: 1000})
    work.read(5)
    work.guard.x_said(XUsage(1500))
    assert work.guard.closed()
    work.guard.x_said(XUsage(2))
    assert work.guard.closed() is None
    assert work.counted(MONTH) == 5


@pytest.mark.parametrize("shift", [timedelta(hours=5, minutes=30), timedelta(hours=-8)])
def test_windows_are_those_of_utc_wherever_the_clock_is(shift: timedelta) -> None:
    work = GuardAtWork({HOUR: 1}, SetClock(MORNING.astimezone(timezone(shift))))
    work.read(1)
    assert str(work.guard.closed()).endswith("reading again at 09:00 UTC")


def test_it_waits_in_steps_while_closed_and_not_at_all_while_open() -> None:
    stopping = RecordedStop(ends_after=10)
    work = GuardAtWork({HOUR: 1})
    guard = BudgetGuard({}, PRICE, work.clock, stopping, work.wake)
    guard.wait()
    assert stopping.waits == []
    guard.go_on_from(
        SpendState(
            windows={"month": SavedWindow(start=MORNING, end=MORNING + timedelta(days=1), posts=9)}, x_usage=9, x_cap=9
        ),
        merge="add",
    )
    assert guard.closed()
    guard.wait()
    assert stopping.waits == [1.0]


def test_the_metrics_show_posts_dollars_shares_and_x_figures() -> None:
    registry = CollectorRegistry()
    work = GuardAtWork({HOUR: 100, DAY: 1000})
    work.guard.export(Metrics(registry))

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"stream_getter_{name}", labels)

    assert (value("x_usage_posts"), value("x_cap_posts"), value("budget_closed")) == (0, 0, 0)
    work.read(100)
    work.guard.x_said(XUsage(7000, cap=10_000))
    assert [value("spend_posts", window=window) for window in ("hour", "day", "month")] == [100, 100, 7000]
    assert value("spend_usd", window="month") == pytest.approx(35.0)
    assert [value("budget_share", window=window) for window in ("hour", "day", "month")] == [1.0, 0.1, 0.7]
    assert (value("x_usage_posts"), value("x_cap_posts"), value("budget_closed")) == (7000, 10_000, 1)
    work.clock.forward(hours=1)
    assert (value("spend_posts", window="hour"), value("budget_closed")) == (0, 0)
