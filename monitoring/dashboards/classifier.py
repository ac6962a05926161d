"""classifier's page."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from monitoring.dashboards.page import CLASSIFIER, page
from monitoring.dashboards.panels import ALL_IS_GOOD, single, timeline
from monitoring.dashboards.parts import dead_letters, process, reading, writing
from monitoring.dashboards.queries import RECENTLY, quantile, rate, share

_JUDGED = "classifier_posts_judged_total"
_ALERT = '{outcome="alert"}'
_CALLS = "classifier_endpoint_calls_total"
_CALL_SECONDS = "classifier_endpoint_seconds"
_TEXTS = "classifier_endpoint_texts"
_BREAKER = "classifier_endpoint_breaker"
_LIMIT = "classifier_endpoint_calls_limit"
_BATCH_SIZE = "classifier_endpoint_batch_size_limit"
_ANSWERS = "classifier_answers_total"
_WITHOUT_MODEL = '{by!="model"}'
_DELAY = "classifier_judgement_delay_seconds"


def classifier() -> Dashboard:
    """From the posts queue by way of the model endpoint to the alerts queue."""
    return page(
        CLASSIFIER,
        "tweet-alerts: classifier",
        "From the posts queue by way of the model endpoint to the alerts queue.",
        {
            "Is it well?": [
                single(
                    "Does the model answer?",
                    "Share of the endpoint's calls that succeeded, last five minutes. Normal: 100 %.",
                    share(f'{_CALLS}{{outcome!="ok"}}', _CALLS),
                    unit="percentunit",
                    steps=ALL_IS_GOOD,
                    words={1: ("always", "green"), 0: ("NEVER", "red")},
                    without_data="not asked",
                    decimals=1,
                ),
                single(
                    "95 of 100 calls within",
                    "Duration of one call of the endpoint, last five minutes. Normal: below half a second.",
                    quantile(0.95, _CALL_SECONDS, window=RECENTLY),
                    unit="s",
                    steps=[(None, "green"), (1, "yellow"), (5, "red")],
                    without_data="not asked",
                    decimals=2,
                ),
                single(
                    "How many posts are judged?",
                    "Last minute. Normal: as many as stream-getter reads.",
                    rate(_JUDGED, window="1m") + " or vector(0)",
                    unit="suffix: posts/s",
                    decimals=1,
                ),
                single(
                    "How many of them become alerts?",
                    "Share of the judged posts, last five minutes. Normal: as your labels go. Close to 100 % means "
                    "thresholds too low, 0 % for long too high.",
                    f"({rate(f'{_JUDGED}{_ALERT}', window=RECENTLY)} or vector(0)) / {rate(_JUDGED, window=RECENTLY)}",
                    unit="percentunit",
                    without_data="none",
                    decimals=0,
                ),
                single(
                    "95 of 100 posts judged within",
                    "From their arrival at stream-getter, last five minutes. Normal: below 2 s.",
                    quantile(0.95, _DELAY, window=RECENTLY),
                    unit="s",
                    steps=[(None, "green"), (3, "yellow"), (10, "red")],
                    without_data="no posts",
                    decimals=1,
                ),
                dead_letters('queue="posts-dlq"'),
            ],
            "The judgements": [
                timeline(
                    "What becomes of the posts?",
                    "Posts judged, by outcome. Normal: nothing refused; a refused post is in posts-dlq. not_asked: no "
                    "label is for the rules that let the post through.",
                    {"{{outcome}}": rate(_JUDGED, by="outcome")},
                    unit="suffix: posts/s",
                    stacked=True,
                ),
                timeline(
                    "Which labels do posts pass?",
                    "Posts that passed each label's threshold; one post may pass several. Normal: even; a peak is "
                    "news. Kept back: those that reached it and fit a competing label (unless) better.",
                    {
                        "{{label}}": f"60 * {rate('classifier_labels_passed_total', by='label')}",
                        "kept back, all labels": f"60 * {rate('classifier_labels_vetoed_total')} or vector(0)",
                    },
                    unit="suffix: /min",
                ),
                timeline(
                    "How late are posts judged?",
                    "From their arrival at stream-getter. Normal: below 2 s.",
                    {"half within": quantile(0.5, _DELAY), "95 of 100 within": quantile(0.95, _DELAY)},
                    unit="s",
                ),
                timeline(
                    "How many posts are answered without the model?",
                    "Share of all: from the cache, shared with a post in the same words that is asked about, and "
                    "unasked. Normal: as many as your stream has reposts.",
                    {"{{by}}": f"{rate(f'{_ANSWERS}{_WITHOUT_MODEL}', by='by')} / scalar({rate(_ANSWERS)})"},
                    unit="percentunit",
                    stacked=True,
                ),
            ],
            "The model endpoint": [
                timeline(
                    "How do its calls end?",
                    "ok; EndpointBusy, EndpointUnavailable, EndpointFailed and EndpointTooSlow are tried again until "
                    "it answers; ContentRefused sends the one post to the dead letters. Normal: ok only.",
                    {"{{endpoint}}: {{outcome}}": rate(_CALLS, by="endpoint, outcome")},
                    unit="suffix: calls/s",
                    width=8,
                ),
                timeline(
                    "How long does a call take?",
                    "Normal: below half a second. It grows with the texts in a call and with the number of labels.",
                    {"half within": quantile(0.5, _CALL_SECONDS), "95 of 100 within": quantile(0.95, _CALL_SECONDS)},
                    unit="s",
                    width=8,
                ),
                timeline(
                    "How many texts go into a call?",
                    "Normal: 1 to 2 on a quiet stream; on a busy one as many as a call may have, which grows to "
                    "BATCH_TEXTS while calls are quick.",
                    {
                        "on average": f"{rate(f'{_TEXTS}_sum')} / {rate(f'{_TEXTS}_count')}",
                        "a call may have": f"max({_BATCH_SIZE})",
                    },
                    unit="short",
                    width=8,
                ),
                timeline(
                    "How many tasks have stopped asking it?",
                    "Tasks that only ask an endpoint about a harmless text now and then, until it judges it; where "
                    "they have stopped asking all, they receive no posts. Normal: 0.",
                    {
                        "{{endpoint}}": f'sum by (endpoint) (1 - {_BREAKER}{{state="closed"}})',
                        "receive nothing": f'count(max by (instance) ({_BREAKER}{{state="closed"}}) == 0) or vector(0)',
                    },
                    unit="short",
                    width=6,
                ),
                timeline(
                    "How many calls may be under way at once?",
                    "In all tasks. Normal: WORKERS for each task; less says that the endpoint has answered that it has "
                    "too much to do.",
                    {"{{endpoint}}": f"sum by (endpoint) ({_LIMIT})"},
                    unit="short",
                    width=6,
                ),
                timeline(
                    "How many posts are in hand?",
                    "Received, and not settled yet, in all tasks. Normal: a few; some hundred a task, the most, say "
                    "that posts come faster than they are judged.",
                    {"posts": "sum(classifier_posts_in_hand)"},
                    unit="short",
                    width=6,
                ),
                timeline(
                    "How many judgements are kept?",
                    "In the caches of all tasks, for posts in the same words. Normal: it levels off; new labels empty "
                    "it.",
                    {"texts": "sum(classifier_cache_entries)"},
                    unit="short",
                    width=6,
                ),
            ],
            "The model, where it is our own": [
                timeline(
                    "How does it answer?",
                    "Requests by the status of their answer. Normal: 200. 503: too much waits; 499: caller is gone.",
                    {"{{status}}": rate("model_requests_total", by="status")},
                    unit="suffix: requests/s",
                    width=6,
                ),
                timeline(
                    "How long do texts wait for it?",
                    "Normal: hardly. Waiting that grows says that it is at its limit.",
                    {
                        "95 of 100 texts wait": quantile(0.95, "model_queue_seconds"),
                        "half of the batches take": quantile(0.5, "model_inference_seconds"),
                    },
                    unit="s",
                    width=6,
                ),
                timeline(
                    "How many texts run together?",
                    "On average. Normal: 1 on a quiet stream, more on a busy one, up to 32 short ones.",
                    {"texts": f"{rate('model_batch_texts_sum')} / {rate('model_batch_texts_count')}"},
                    unit="short",
                    width=6,
                ),
                timeline(
                    "How much of its work is padding?",
                    "Share of the tokens that it runs because lengths are rounded up. Normal: below 15 %.",
                    {
                        "padding": f"{rate('model_padding_tokens_total')} / "
                        f"({rate('model_padding_tokens_total')} + {rate('model_tokens_total')})"
                    },
                    unit="percentunit",
                    width=6,
                ),
            ],
            "The posts queue": reading("posts"),
            "The alerts queue": writing("classifier", "alerts"),
            "The process": process("classifier"),
        },
    )
