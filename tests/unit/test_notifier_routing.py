"""Which channels hear of what."""

from collections.abc import Sequence
from datetime import timedelta

from notifier.routing import Router
from pipeline.alerts_config import AlertsConfig, parse_alerts_config
from pipeline.contracts import Delivery, DeliveryKind, Severity, decode_delivery, encode
from tests.support.examples import NOW, a_notice, a_post, an_alert

CONFIG = """
labels:
  - {name: quake, threshold: 0.5}
  - {name: flood, threshold: 0.5}
  - {name: fire, threshold: 0.5}
channels: {desk: {type: stdout}, night: {type: stdout}, all: {type: stdout}}
routes:
  - {labels: [quake, flood], channels: [desk, night]}
  - {labels: [flood], channels: [all]}
  - {channels: [all, desk, all]}
ops: [night, desk, night]
"""


def config(text: str = CONFIG) -> AlertsConfig:
    return parse_alerts_config(text, "alerts.yaml")


def router(text: str = CONFIG) -> Router:
    return Router(config(text), timedelta(hours=24), lambda: NOW, new_id=lambda: "new-trace")


def told(deliveries: Sequence[Delivery]) -> dict[str, list[str]]:
    return {delivery.channel: [label.name for label in delivery.labels] for delivery in deliveries}


def test_the_first_route_that_names_a_label_counts() -> None:
    assert told(router().deliveries(an_alert("flood"))) == {"desk": ["flood"], "night": ["flood"]}


def test_a_route_without_labels_takes_the_rest() -> None:
    assert told(router().deliveries(an_alert("fire"))) == {"all": ["fire"], "desk": ["fire"]}


def test_a_channel_is_told_once_of_all_labels_that_led_to_it_best_first() -> None:
    deliveries = router().deliveries(an_alert("fire", "flood", "quake"))
    assert told(deliveries) == {
        "all": ["fire"],
        "desk": ["fire", "flood", "quake"],
        "night": ["flood", "quake"],
    }
    assert len(deliveries) == 3


def test_a_delivery_carries_what_the_channel_needs() -> None:
    post = a_post("x:5", links=["https://example.com/a"])
    (delivery, _) = router().deliveries(an_alert("flood", post=post))
    assert delivery == Delivery(
        v=1,
        id="x:5/first/desk",
        story_id="x:5",
        kind=DeliveryKind.FIRST,
        channel="desk",
        labels=an_alert("flood").labels,
        post=post,
        links=["https://example.com/a"],
        first_seen=post.created_at,
        last_seen=post.created_at,
        expires_at=NOW + timedelta(hours=24),
        trace_id="trace-1",
    )
    assert decode_delivery(encode(delivery)) == delivery


def test_a_repeated_alert_gives_the_same_ids() -> None:
    later = Router(config(), timedelta(hours=24), lambda: NOW + timedelta(hours=1), new_id=lambda: "another-trace")
    first = [delivery.id for delivery in router().deliveries(an_alert("fire", "quake"))]
    assert [delivery.id for delivery in later.deliveries(an_alert("fire", "quake"))] == first
    assert len(set(first)) == 3


def test_different_posts_have_different_ids() -> None:
    ids = [d.id for post in ("x:1", "x:2") for d in router().deliveries(an_alert("fire", post=a_post(post)))]
    assert len(set(ids)) == 4


def test_a_label_that_is_no_longer_routed_tells_nobody() -> None:
    only_quake = """
labels: [{name: quake, threshold: 0.5}]
channels: {desk: {type: stdout}}
routes: [{labels: [quake], channels: [desk]}]
"""
    assert router(only_quake).deliveries(an_alert("storm")) == []
    assert told(router(only_quake).deliveries(an_alert("storm", "quake"))) == {"desk": ["quake"]}


def test_a_notice_goes_once_to_each_channel_of_ops() -> None:
    deliveries = router().deliveries(a_notice(severity=Severity.CRITICAL))
    assert [delivery.channel for delivery in deliveries] == ["night", "desk"]
    for delivery in deliveries:
        assert delivery.kind is DeliveryKind.NOTICE
        assert delivery.text == "critical from stream-getter: no posts"
        assert (delivery.post, delivery.labels, delivery.trace_id) == (None, [], "new-trace")
        assert decode_delivery(encode(delivery)) == delivery


def test_a_repeated_notice_has_the_same_ids_and_a_later_one_others() -> None:
    first, again, later = (
        {delivery.id for delivery in router().deliveries(notice)}
        for notice in (a_notice(), a_notice(), a_notice(at=NOW + timedelta(seconds=30)))
    )
    assert first == again
    assert first.isdisjoint(later)


def test_without_an_ops_channel_a_notice_tells_nobody() -> None:
    assert router(CONFIG.replace("ops: [night, desk, night]", "")).deliveries(a_notice()) == []
