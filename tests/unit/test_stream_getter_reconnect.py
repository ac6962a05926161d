"""The three backoff classes of X's documentation, number by number."""

import pytest

from stream_getter.x.reconnect import ReconnectPolicy


def test_after_network_trouble_at_once_then_250_ms_more_each_time_up_to_16_s() -> None:
    policy = ReconnectPolicy()
    waits = [policy.after_network_trouble() for _ in range(70)]
    assert waits[:5] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert waits[63:67] == [15.75, 16.0, 16.0, 16.0]


def test_after_http_errors_5_s_doubling_up_to_320_s() -> None:
    policy = ReconnectPolicy()
    assert [policy.after_http_error() for _ in range(9)] == [5, 10, 20, 40, 80, 160, 320, 320, 320]


def test_after_rate_limits_60_s_doubling_up_to_30_minutes() -> None:
    policy = ReconnectPolicy()
    assert [policy.after_rate_limit(None) for _ in range(7)] == [60, 120, 240, 480, 960, 1800, 1800]


@pytest.mark.parametrize(
    ("seconds_to_reset", "wait"),
    [(700.0, 700.0), (59.0, 60.0), (-5.0, 60.0), (90_000.0, 1800.0), (float("nan"), 60.0), (float("inf"), 1800.0)],
)
def test_never_before_the_rate_limit_turns_unless_that_is_beyond_any_window(
    seconds_to_reset: float, wait: float
) -> None:
    assert ReconnectPolicy().after_rate_limit(seconds_to_reset) == wait


def test_a_connection_that_held_starts_each_class_over() -> None:
    policy = ReconnectPolicy()
    for _ in range(3):
        policy.after_network_trouble()
        policy.after_http_error()
        policy.after_rate_limit(None)
    policy.held()
    assert policy.after_network_trouble() == 0
    assert policy.after_http_error() == 5
    assert policy.after_rate_limit(None) == 60


def test_a_delivery_ends_what_refused_the_stream_and_not_what_breaks_it() -> None:
    policy = ReconnectPolicy()
    for _ in range(3):
        policy.after_network_trouble()
        policy.after_http_error()
        policy.after_rate_limit(None)
    policy.delivered()
    assert policy.after_network_trouble() == 0.75
    assert policy.after_http_error() == 5
    assert policy.after_rate_limit(None) == 60


def test_after_a_reset_of_connections_as_after_the_first_http_error() -> None:
    policy = ReconnectPolicy()
    for _ in range(3):
        policy.after_http_error()
    assert [policy.after_reset(), policy.after_http_error()] == [5, 10]


def test_the_classes_count_apart() -> None:
    policy = ReconnectPolicy()
    policy.after_http_error()
    policy.after_network_trouble()
    assert (policy.after_http_error(), policy.after_network_trouble()) == (10, 0.25)
    assert policy.after_rate_limit(None) == 60


def test_an_outage_of_weeks_does_not_overflow() -> None:
    policy = ReconnectPolicy()
    for _ in range(5000):
        policy.after_http_error()
        policy.after_rate_limit(None)
    assert policy.after_http_error() == 320
