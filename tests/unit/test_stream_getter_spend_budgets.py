"""Budgets as they are written, and the windows that they hold for."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UserMistake
from pipeline.settings import read_settings
from stream_getter.x.budgets import Budget, parsed_budget
from stream_getter.x.settings import XSettings
from stream_getter.x.spend_windows import Period, bounds

PRICE = 0.005


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("5000 posts", Budget(5000, "5000 posts")),
        ("1 post", Budget(1, "1 posts")),
        ("  25 USD ", Budget(5000, "25 USD (5000 posts)")),
        ("$25", Budget(5000, "25 USD (5000 posts)")),
        ("$ 0.5", Budget(100, "0.5 USD (100 posts)")),
        ("12.349 usd", Budget(2469, "12.349 USD (2469 posts)")),
        ("0.005 USD", Budget(1, "0.005 USD (1 posts)")),
        ("", None),
    ],
)
def test_a_budget_is_posts_or_dollars(text: str, budget: Budget | None) -> None:
    assert parsed_budget("X_BUDGET_HOUR", text, PRICE) == budget
    settings = read_settings(XSettings, {"X_BEARER_TOKEN": "t", "X_BUDGET_HOUR": text})
    assert settings.x_budget_hour == text


def test_dollars_buy_as_many_posts_as_the_price_allows() -> None:
    assert parsed_budget("X_BUDGET_DAY", "1 USD", 0.001) == Budget(1000, "1 USD (1000 posts)")
    assert parsed_budget("X_BUDGET_DAY", "0.3 USD", 0.1) == Budget(3, "0.3 USD (3 posts)")


@pytest.mark.parametrize("text", ["5000", "five posts", "-5 posts", "25 EUR", "25.5 posts", "$25 USD", "1e5 posts"])
def test_what_is_no_budget_is_one_clear_line(text: str) -> None:
    with pytest.raises(UserMistake) as mistake:
        read_settings(XSettings, {"X_BEARER_TOKEN": "t", "X_BUDGET_MONTH": text})
    assert str(mistake.value) == (
        f"environment: X_BUDGET_MONTH: expected a budget such as 5000 posts, 25 USD or $25, got {text!r}"
    )
    with pytest.raises(UserMistake, match="X_BUDGET_MONTH: expected a budget such as"):
        parsed_budget("X_BUDGET_MONTH", text, PRICE)


@pytest.mark.parametrize("text", ["0 posts", "$0", "0.004 USD"])
def test_a_budget_that_no_post_fits_into_is_refused(text: str) -> None:
    with pytest.raises(UserMistake, match=r"X_BUDGET_DAY: expected a budget of one post \(0\.005 USD\) or more"):
        parsed_budget("X_BUDGET_DAY", text, PRICE)


@pytest.mark.parametrize("price", ["0", "-1", "free", "nan"])
def test_a_price_is_above_nothing(price: str) -> None:
    with pytest.raises(UserMistake, match="X_POST_PRICE_USD: expected a price in dollars above 0, got"):
        read_settings(XSettings, {"X_BEARER_TOKEN": "t", "X_POST_PRICE_USD": price})


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "reset_day", "start", "end"),
    [
        ("2026-11-20T08:15", 1, "2026-11-01", "2026-12-01"),
        ("2026-12-31T23:59:59.999999", 1, "2026-12-01", "2027-01-01"),
        ("2026-12-01", 1, "2026-12-01", "2027-01-01"),
        ("2026-11-20T08:15", 16, "2026-11-16", "2026-12-16"),
        ("2026-11-15T23:59", 16, "2026-10-16", "2026-11-16"),
        ("2027-01-03", 16, "2026-12-16", "2027-01-16"),
        ("2026-12-20", 16, "2026-12-16", "2027-01-16"),
        ("2027-02-27", 31, "2027-01-31", "2027-02-28"),
        ("2027-02-28", 31, "2027-02-28", "2027-03-31"),
        ("2028-02-28", 30, "2028-01-30", "2028-02-29"),
    ],
)
def test_a_month_begins_on_its_reset_day(moment: str, reset_day: int, start: str, end: str) -> None:
    assert bounds(Period.MONTH, day(moment), reset_day) == (day(start), day(end))


@given(
    moment=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
    period=st.sampled_from(Period),
    reset_day=st.integers(1, 31),
)
def test_every_moment_lies_in_one_window_and_windows_follow_each_other(
    moment: datetime, period: Period, reset_day: int
) -> None:
    start, end = bounds(period, moment, reset_day)
    assert start <= moment < end
    assert bounds(period, start, reset_day) == (start, end)
    assert bounds(period, end - timedelta(microseconds=1), reset_day) == (start, end)
    assert bounds(period, end, reset_day)[0] == end
