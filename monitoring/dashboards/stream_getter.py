"""stream-getter's page."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.dashboards.page import STREAM_GETTER, page
from monitoring.dashboards.panels import NONE_IS_GOOD, single, timeline
from monitoring.dashboards.parts import process, writing
from monitoring.dashboards.queries import RECENTLY, quantile, rate

_SOURCE_DELAY = "stream_getter_source_delay_seconds"


def stream_getter() -> Dashboard:
    """From the source to the posts queue."""
    return page(
        STREAM_GETTER,
        "tweet-alerts: stream-getter",
        "From the source to the posts queue.",
        {
            "Is it well?": [
                single(
                    "Is the stream connected?",
                    "Normal: connected; after X ended a connection it is back within seconds.",
                    "max(stream_getter_stream_up) or vector(-1)",
                    words={1: ("connected", "green"), 0: ("DOWN", "red"), -1: ("NOT RUNNING", "red")},
                    width=6,
                ),
                single(
                    "How many posts come in?",
                    "Read from the stream, last minute. Normal: what your rules match.",
                    rate("stream_getter_posts_received_total", window="1m") + " or vector(0)",
                    unit="suffix: posts/s",
                    decimals=1,
                    width=6,
                ),
                single(
                    "95 of 100 posts arrive within",
                    "From a post's creation to its arrival, last five minutes. Normal on X: some 6 s; it is the "
                    "part of the delay that this system cannot change.",
                    quantile(0.95, _SOURCE_DELAY, window=RECENTLY),
                    unit="s",
                    steps=[(None, "green"), (7.5, "yellow"), (15, "red")],
                    without_data="no posts",
                    decimals=1,
                    width=6,
                ),
                single(
                    "Were posts lost?",
                    "Posts dropped since the service started: the queue can never accept them, or the service ended "
                    "before it did. Normal: none.",
                    "sum(stream_getter_posts_dropped_total) or vector(0)",
                    unit="short",
                    steps=NONE_IS_GOOD,
                    words={0: ("none", "green")},
                    width=6,
                ),
            ],
            "The stream": [
                timeline(
                    "How many posts are read?",
                    "Read, and of these the ones that were seen before and are not sent again. Normal: repeats only "
                    "after a reconnect.",
                    {
                        "read": rate("stream_getter_posts_received_total"),
                        "of these repeats": rate("stream_getter_posts_repeated_total"),
                    },
                    unit="suffix: posts/s",
                ),
                timeline(
                    "How late do posts arrive?",
                    "From a post's creation to its arrival. Normal: level; steps come from the source.",
                    {"half within": quantile(0.5, _SOURCE_DELAY), "95 of 100 within": quantile(0.95, _SOURCE_DELAY)},
                    unit="s",
                ),
                timeline(
                    "When and why was the connection lost?",
                    "Connections that ended or failed. Normal: one now and then. HTTP 429 means too many "
                    "connections, 401 and 403 a wrong token.",
                    {"{{reason}}": "sum by (reason) (increase(stream_getter_reconnects_total[$__rate_interval]))"},
                    unit="short",
                ),
                timeline(
                    "What could not be used?",
                    "Lines of the stream that hold no post, and posts that will never be sent. Normal: none.",
                    {
                        "line refused: {{reason}}": rate("stream_getter_lines_refused_total", by="reason"),
                        "post dropped: {{reason}}": rate("stream_getter_posts_dropped_total", by="reason"),
                    },
                    unit="suffix: /s",
                ),
            ],
            "What reading costs": [
                single(
                    "Does a budget keep the stream closed?",
                    "1 while a budget of X is spent; /readyz says until when. Normal: open.",
                    "max(stream_getter_budget_closed) or vector(-1)",
                    words={0: ("open", "green"), 1: ("CLOSED", "red"), -1: ("NOT RUNNING", "red")},
                    width=6,
                ),
                single(
                    "What has this month cost?",
                    "An estimate: the posts of X that were read, or X's own figure where that is more, by their price. "
                    "Normal: below your budget.",
                    'max(stream_getter_spend_usd{window="month"}) or vector(0)',
                    unit="currencyUSD",
                    decimals=2,
                    width=6,
                ),
                single(
                    "What has this hour cost?",
                    "The posts that were read since the full hour, UTC, by their price. Normal: below your budget.",
                    'max(stream_getter_spend_usd{window="hour"}) or vector(0)',
                    unit="currencyUSD",
                    decimals=2,
                    width=6,
                ),
                single(
                    "How much of its cap does X say is used?",
                    "X's own figures of the month, which lag and hold for the whole project. Normal: below 80 %; 0 "
                    "until X has told them.",
                    "max(stream_getter_x_usage_posts) / (max(stream_getter_x_cap_posts) > 0) or vector(0)",
                    unit="percentunit",
                    steps=[(None, "green"), (0.8, "yellow"), (1, "red")],
                    decimals=1,
                    width=6,
                ),
                timeline(
                    "How much of each budget is spent?",
                    "By window; the stream is closed at 100 %. Normal: it starts over with each window and stays below "
                    "80 %. A window without a budget shows 0.",
                    {"{{window}}": "max by (window) (stream_getter_budget_share)"},
                    unit="percentunit",
                    limit=1,
                ),
                timeline(
                    "How many posts are billed?",
                    "Posts that X bills, by window, each once per UTC day. Normal: it starts over with each window.",
                    {"{{window}}": "max by (window) (stream_getter_spend_posts)"},
                    unit="short",
                ),
            ],
            "The posts queue": writing("stream-getter", "posts"),
            "The process": process("stream-getter"),
        },
    )
