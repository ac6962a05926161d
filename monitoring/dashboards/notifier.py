"""notifier's page."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.dashboards.page import NOTIFIER, page
from monitoring.dashboards.panels import single, timeline
from monitoring.dashboards.parts import channels_deliver, dead_letters, notifications_within, process, reading, writing
from monitoring.dashboards.queries import RECENTLY, depth, quantile, rate

_WHOLE_WAY = "notifier_notification_delay_seconds"
_HANDLING = "notifier_handling_delay_seconds"


def notifier() -> Dashboard:
    """From the alerts queue to the channels."""
    return page(
        NOTIFIER,
        "tweet-alerts: notifier",
        "From the alerts queue by way of the deliveries queue to the channels.",
        {
            "Is it well?": [
                channels_deliver(),
                notifications_within(),
                single(
                    "How many alerts go out?",
                    'Last five minutes; "notice" is what the system says of itself. Normal: what people can read.',
                    f"60 * {rate('notifier_alerts_total', window=RECENTLY)} or vector(0)",
                    unit="suffix: /min",
                    decimals=1,
                ),
                single(
                    "How many deliveries are put off?",
                    "Deliveries that a channel did not accept and that wait for their next try, for up to a day. "
                    "Normal: none.",
                    depth('queue="deliveries", state="delayed"'),
                    unit="short",
                    steps=[(None, "green"), (1, "yellow"), (100, "red")],
                    words={0: ("none", "green")},
                ),
                single(
                    "How old is the oldest message?",
                    "Of the alerts and deliveries that are worked on. Normal: a few seconds.",
                    'max(queue_oldest_message_age_seconds{queue=~"alerts|deliveries"})',
                    unit="s",
                    steps=[(None, "green"), (5, "yellow"), (10, "red")],
                    words={0: ("none waits", "green")},
                    decimals=1,
                ),
                dead_letters('queue=~"(alerts|deliveries)-dlq"'),
            ],
            "The notifications": [
                timeline(
                    "How do deliveries end, by channel?",
                    "failed is tried again for a day; refused goes to the dead letters; a repeat had been delivered "
                    "before and is not told twice. Normal: delivered only.",
                    {"{{channel}}: {{outcome}}": rate("notifier_deliveries_total", by="channel, outcome")},
                    unit="suffix: /s",
                ),
                timeline(
                    "How many alerts a minute, by best label?",
                    "Stacked, so the edge is the sum. Normal: even; a peak in one label is news.",
                    {"{{label}}": f"60 * {rate('notifier_alerts_total', by='label')}"},
                    unit="suffix: /min",
                    stacked=True,
                ),
                timeline(
                    "How late are people told, from the post on?",
                    "From a post's creation to the channel's acceptance. Normal: below the dashed target of 10 s.",
                    {
                        "{{channel}}: half within": quantile(0.5, _WHOLE_WAY, by="channel"),
                        "{{channel}}: 95 of 100 within": quantile(0.95, _WHOLE_WAY, by="channel"),
                    },
                    unit="s",
                    limit=10,
                ),
                timeline(
                    "How much of that is ours?",
                    "From the post's arrival at stream-getter to the channel's acceptance. Normal: below 3 s.",
                    {
                        "{{channel}}: half within": quantile(0.5, _HANDLING, by="channel"),
                        "{{channel}}: 95 of 100 within": quantile(0.95, _HANDLING, by="channel"),
                    },
                    unit="s",
                ),
            ],
            "The alerts queue": reading("alerts"),
            "The deliveries queue": [*reading("deliveries"), *writing("notifier", "deliveries")],
            "The process": process("notifier"),
        },
    )
