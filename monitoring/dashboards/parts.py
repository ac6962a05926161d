"""Panels that every service's page has."""

from collections.abc import Sequence

from monitoring.dashboards.panels import ALL_IS_GOOD, NONE_IS_GOOD, Panel, Steps, named, single, timeline
from monitoring.dashboards.queries import RECENTLY, depth, quantile, rate, share

#: The target: a person knows within ten seconds.
TARGET = 10
DELAY: Steps = [(None, "green"), (TARGET / 2, "yellow"), (TARGET, "red")]


def process(service: str) -> Sequence[Panel]:
    """What the processes of a service need, and which build they run."""
    of = f'{{service="{service}"}}'
    return [
        named(
            "Which build runs?",
            "Version and revision. Normal: one of them; two only while a new one is being rolled out.",
            f"max by (version, revision) (build_info{of})",
            "{{version}} {{revision}}",
        ),
        single(
            "How many tasks run?",
            "Tasks that Prometheus reaches. Normal: 1; for classifier as many as were asked for.",
            f'sum(up{{job="services", service="{service}"}}) or vector(0)',
            steps=[(None, "red"), (1, "green")],
        ),
        timeline(
            "How much memory does it hold?",
            "Resident memory of each task. Normal: below 150 MB and level; the container's limit is 256 MB.",
            {"{{instance}}": f"process_resident_memory_bytes{of}"},
            unit="bytes",
            width=8,
        ),
        timeline(
            "How much of a processor does it use?",
            "Processor time of each task, as a share of one core. Normal: well below 100 %, the container's limit.",
            {"{{instance}}": f"rate(process_cpu_seconds_total{of}[$__rate_interval])"},
            unit="percentunit",
            width=8,
        ),
    ]


def reading(queue: str) -> Sequence[Panel]:
    """How a queue is read."""
    of = f'{{queue="{queue}"}}'
    return [
        timeline(
            f"How many messages lie in {queue}?",
            "By state: visible wait to be received, in flight are being worked on, delayed wait for their time. "
            "Normal: few visible, and none that stay.",
            {"{{state}}": f"max by (state) (queue_depth{of})"},
            unit="short",
        ),
        timeline(
            f"How long do messages wait in {queue}?",
            "From being sent to being received. Normal: below a second; a delivery that is put off waits on purpose.",
            {
                "half within": quantile(0.5, f"queue_wait_seconds{of}"),
                "95 of 100 within": quantile(0.95, f"queue_wait_seconds{of}"),
            },
            unit="s",
        ),
        timeline(
            f"How are messages of {queue} settled?",
            "Received and deleted should lie on each other. Given back and claims lost come again; dead letters "
            "do not. Normal: neither of these three.",
            {
                "received": rate(f"queue_messages_received_total{of}"),
                "deleted": rate(f"queue_messages_deleted_total{of}"),
                "given back": rate(f"queue_messages_given_back_total{of}"),
                "claims lost": rate(f"queue_claims_lost_total{of}"),
                "dead letters": rate(f"queue_messages_dead_lettered_total{of}"),
            },
            unit="suffix: /s",
        ),
        timeline(
            f"How old is the oldest message of {queue}?",
            "Of those in hand, which in a backlog are the queue's oldest. Normal: about a second; it only climbs "
            "when nothing is finished.",
            {"oldest": f"max(queue_oldest_message_age_seconds{of})"},
            unit="s",
        ),
    ]


def writing(service: str, queue: str) -> Sequence[Panel]:
    """How a service sends to a queue."""
    of = f'{{service="{service}", queue="{queue}"}}'
    return [
        timeline(
            f"Does {queue} accept what is sent?",
            "Messages accepted, tried again, and never acceptable (too large, or characters that SQS refuses). "
            "Normal: accepted only.",
            {
                "accepted": rate(f"queue_messages_sent_total{of}"),
                "tried again": rate(f"queue_send_failures_total{of}"),
                "never acceptable": rate(f"queue_messages_unsendable_total{of}"),
            },
            unit="suffix: /s",
        ),
        timeline(
            f"How much waits to be sent to {queue}?",
            "Bytes in the buffer of each task. Normal: a few kilobytes; it fills while the queue cannot be reached, "
            "and a full one holds up the service.",
            {"{{instance}}": f"queue_writer_buffered_bytes{of}"},
            unit="bytes",
        ),
    ]


def dead_letters(selector: str) -> Panel:
    """Dead letters of the queues that ``selector`` names."""
    return single(
        "Are there dead letters?",
        "Messages that can never succeed and wait for a person, with the reason in an attribute. Normal: none.",
        depth(selector),
        unit="short",
        steps=NONE_IS_GOOD,
        words={0: ("none", "green")},
    )


def channels_deliver(page: str | None = None) -> Panel:
    """The share of deliveries that channels accept. ``page`` is the uid of the dashboard that tells more."""
    return single(
        "Do the channels deliver?",
        "Share of the deliveries that a channel accepted, last five minutes, tries included. Normal: 100 %.",
        share(
            'notifier_deliveries_total{outcome=~"failed|refused"}',
            'notifier_deliveries_total{outcome!="repeat"}',
        ),
        unit="percentunit",
        steps=ALL_IS_GOOD,
        words={1: ("always", "green"), 0: ("NEVER", "red")},
        without_data="nothing to tell",
        decimals=1,
        page=page,
    )


def notifications_within(page: str | None = None) -> Panel:
    """How late all but the latest notifications are. ``page`` is the uid of the dashboard that tells more."""
    return single(
        "95 of 100 notifications within",
        "From a post's creation to its channel's acceptance, last five minutes. Normal: below the target of 10 s.",
        quantile(0.95, "notifier_notification_delay_seconds", window=RECENTLY),
        unit="s",
        steps=DELAY,
        without_data="nothing told",
        decimals=1,
        page=page,
    )
