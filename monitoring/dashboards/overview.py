"""The first page: whether it is alive, how late it is, how much there is, and what is hot."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.dashboards.page import CLASSIFIER, NOTIFIER, OVERVIEW, STREAM_GETTER, page
from monitoring.dashboards.panels import ALL_IS_GOOD, NONE_IS_GOOD, ranking, single, timeline
from monitoring.dashboards.parts import DELAY, TARGET, channels_deliver, dead_letters, notifications_within
from monitoring.dashboards.queries import DEAD, RECENTLY, WORKING, depth, quantile, rate, share

_WHOLE_WAY = "notifier_notification_delay_seconds"
_ALERTS = 'notifier_alerts_total{label!="notice"}'


def overview() -> Dashboard:
    """Understood in ten seconds; each figure leads to the page that tells more."""
    return page(
        OVERVIEW,
        "tweet-alerts: overview",
        "From the stream to the people who must know.",
        {
            "Is it alive?": [
                single(
                    "Is the stream connected?",
                    "stream-getter's connection to the source. Normal: connected; X ends it now and then, and it is "
                    "back within seconds.",
                    "max(stream_getter_stream_up) or vector(-1)",
                    words={1: ("connected", "green"), 0: ("DOWN", "red"), -1: ("NOT RUNNING", "red")},
                    page=STREAM_GETTER,
                ),
                single(
                    "Do the services run?",
                    "stream-getter, classifier and notifier, as Prometheus reaches them. Normal: all three.",
                    'count(count by (service) (up{job="services"} == 1)) or vector(0)',
                    words={
                        3: ("all three", "green"),
                        2: ("ONE IS DOWN", "red"),
                        1: ("TWO ARE DOWN", "red"),
                        0: ("ALL ARE DOWN", "red"),
                    },
                ),
                single(
                    "Does the model answer?",
                    "Share of the model endpoint's calls that succeeded, last five minutes. Normal: 100 %.",
                    share('classifier_endpoint_calls_total{outcome!="ok"}', "classifier_endpoint_calls_total"),
                    unit="percentunit",
                    steps=ALL_IS_GOOD,
                    words={1: ("always", "green"), 0: ("NEVER", "red")},
                    without_data="not asked",
                    decimals=1,
                    page=CLASSIFIER,
                ),
                channels_deliver(page=NOTIFIER),
                dead_letters(DEAD),
                single(
                    "Does an alarm ring?",
                    "Alert rules that fire now; docs/runbook.md says what to do about each. Normal: none.",
                    'count(ALERTS{alertstate="firing"}) or vector(0)',
                    unit="short",
                    steps=NONE_IS_GOOD,
                    words={0: ("none", "green")},
                ),
            ],
            "How late, and how much?": [
                single(
                    "Half of the notifications within",
                    "From a post's creation to its channel's acceptance, median of the last five minutes. "
                    "Normal: below 2 s, and what X itself takes comes on top.",
                    quantile(0.5, _WHOLE_WAY, window=RECENTLY),
                    unit="s",
                    steps=DELAY,
                    without_data="nothing told",
                    decimals=1,
                    page=NOTIFIER,
                ),
                notifications_within(page=NOTIFIER),
                single(
                    "How many posts come in?",
                    "Posts read from the stream, last minute. Normal: what your rules match; 0 for long is not.",
                    rate("stream_getter_posts_received_total", window="1m") + " or vector(0)",
                    unit="suffix: posts/s",
                    decimals=1,
                    page=STREAM_GETTER,
                ),
                single(
                    "How many alerts go out?",
                    "Posts that passed a label's threshold, last five minutes. Normal: some percent of the posts; "
                    "more than people can read means that a threshold is too low.",
                    f"60 * {rate(_ALERTS, window=RECENTLY)} or vector(0)",
                    unit="suffix: /min",
                    decimals=1,
                    page=NOTIFIER,
                ),
                single(
                    "How many messages wait?",
                    "Messages of all queues that nobody works on yet. Normal: fewer than 100.",
                    depth(f'{WORKING}, state="visible"'),
                    unit="short",
                    steps=[(None, "green"), (100, "yellow"), (1000, "red")],
                    words={0: ("none", "green")},
                ),
                single(
                    "How old is the oldest message?",
                    "Of those that are worked on. Normal: a few seconds; a delivery that a channel refused for now "
                    "does not count while it waits.",
                    "max(queue_oldest_message_age_seconds)",
                    unit="s",
                    steps=DELAY,
                    words={0: ("none waits", "green")},
                    decimals=1,
                ),
            ],
            "What is hot?": [
                ranking(
                    "Which labels do posts pass?",
                    "Posts that passed each label's threshold, in the time shown; one post may pass several. "
                    "Normal: as your labels go; a label that dwarfs all others may have too low a threshold.",
                    "sort_desc(sum by (label) (increase(classifier_labels_passed_total[$__range])))",
                    "{{label}}",
                    unit="short",
                ),
                timeline(
                    "How many alerts a minute, by best label?",
                    "Stacked, so the edge is the sum. Normal: even; a peak in one label is news.",
                    {"{{label}}": f"60 * {rate(_ALERTS, by='label')}"},
                    unit="suffix: /min",
                    stacked=True,
                    width=16,
                ),
            ],
            "Over time": [
                timeline(
                    "How late is each leg (95 of 100 within)?",
                    "To arrive: from the post's creation to stream-getter. To be judged: from there to the model's "
                    "scores. To be told: from stream-getter to the channel. Normal: all of it below 10 s.",
                    {
                        "all of it": quantile(0.95, _WHOLE_WAY),
                        "all of it, half within": quantile(0.5, _WHOLE_WAY),
                        "to arrive": quantile(0.95, "stream_getter_source_delay_seconds"),
                        "from arrival to be judged": quantile(0.95, "classifier_judgement_delay_seconds"),
                        "from arrival to be told": quantile(0.95, "notifier_handling_delay_seconds"),
                    },
                    unit="s",
                    limit=TARGET,
                ),
                timeline(
                    "What becomes of the posts?",
                    "Read from the stream, and what the classifier made of them. Normal: judged follows read, less "
                    "the repeats; nothing is refused.",
                    {
                        "read": rate("stream_getter_posts_received_total"),
                        "of these repeats": rate("stream_getter_posts_repeated_total"),
                        "judged: {{outcome}}": rate("classifier_posts_judged_total", by="outcome"),
                    },
                    unit="suffix: posts/s",
                ),
                timeline(
                    "How many messages lie in the queues?",
                    "Waiting, being worked on and delayed, by queue. Normal: low and level; a line that climbs is "
                    "the stage after it that cannot keep up.",
                    {"{{queue}}": depth(WORKING, "queue")},
                    unit="short",
                ),
                timeline(
                    "How busy are the services?",
                    "Processor time, as a share of one core. Normal: well below 100 %.",
                    {"{{service}}": rate('process_cpu_seconds_total{job="services"}', by="service")},
                    unit="percentunit",
                ),
            ],
        },
    )
