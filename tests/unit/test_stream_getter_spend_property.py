"""Whatever comes in whatever order, no window holds more than its budget and what one read brings."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from stream_getter.x.spend_windows import STEP_BACK, Period, bounds
from tests.support.spend import GuardAtWork, SetClock

#: Posts that one read of the socket may bring: they are all counted, for they are all paid for.
READ = 40

reads = st.tuples(st.just("read"), st.integers(1, READ))
restarts = st.tuples(st.just("restart"), st.just(0))
forward = st.tuples(
    st.just("clock"),
    st.one_of(st.integers(0, 600), st.integers(600, 7200), st.sampled_from([3600, 86_400, 31 * 86_400])),
)
back = st.tuples(st.just("clock"), st.integers(-int(STEP_BACK.total_seconds()), -1))


@settings(max_examples=200, deadline=None)
@given(
    budgets=st.dictionaries(st.sampled_from(Period), st.integers(1, 300), min_size=1),
    start=st.datetimes(datetime(2026, 1, 1), datetime(2028, 3, 1), timezones=st.just(UTC)),
    steps=st.lists(st.one_of(reads, reads, reads, forward, back, restarts), max_size=60),
)
def test_no_window_ever_holds_more_than_its_budget_and_one_read(
    budgets: dict[Period, int], start: datetime, steps: list[tuple[str, int]]
) -> None:
    work = GuardAtWork(dict(budgets), SetClock(start))
    latest = start
    held: Counter[tuple[Period, datetime]] = Counter()
    read_in_all = 0
    for step, amount in steps:
        if step == "clock":
            # a step back that is repeated is another clock: see the tests of those that are wrong by far
            work.clock.now = max(work.clock.now + timedelta(seconds=amount), latest - STEP_BACK)
            latest = max(latest, work.clock.now)
            work.guard.closed()  # as the stream asks, again and again
        elif step == "restart":
            work.restart()
        elif not work.guard.closed():
            work.read(amount)
            read_in_all += amount
            # the window is the one of the latest time seen: a little step back goes on in it
            held.update({(period, bounds(period, latest)[0]): amount for period in Period})
    for (period, _start), posts in held.items():
        assert posts < budgets.get(period, read_in_all + 1) + READ
    for period in Period:
        assert work.counted(period) == held[period, bounds(period, latest)[0]]


@settings(max_examples=100, deadline=None)
@given(
    budget=st.integers(1, 200),
    steps=st.lists(st.tuples(st.integers(1, READ), st.booleans(), st.booleans()), max_size=40),
)
def test_a_kill_forgets_no_more_than_was_read_since_the_last_save(
    budget: int, steps: list[tuple[int, bool, bool]]
) -> None:
    work = GuardAtWork({Period.DAY: budget})
    saved = work.guard.state()
    read, forgotten, since = 0, 0, 0
    for posts, saves, killed in steps:
        if not work.guard.closed():
            work.read(posts)
            read, since = read + posts, since + posts
        if saves:
            saved, since = work.guard.state(), 0
        if killed:
            work.start()
            work.guard.go_on_from(saved, merge="add")
            forgotten, since = forgotten + since, 0
    assert read < budget + READ + forgotten
