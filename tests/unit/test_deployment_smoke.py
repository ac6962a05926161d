"""What a smoke test chooses and concludes, without AWS."""

from datetime import UTC, datetime

import pytest

from deployment.environment import find_environment
from deployment.road_state import Depth, suspect
from deployment.smoke_post import label_to_try, smoke_post
from pipeline.alerts_config import AlertsConfig, parse_alerts_config
from pipeline.errors import UserMistake
from pipeline.label_config import Label

NOW = datetime(2026, 11, 20, 8, 15, 10, tzinfo=UTC)
NOTHING = Depth(0, 0, 0)


def config_with(routes: str) -> AlertsConfig:
    return parse_alerts_config(
        "labels: [{name: flood, threshold: 0.6}, {name: fire, threshold: 0.4}, {name: quake, threshold: 0.3}]\n"
        f"channels: {{terminal: {{type: stdout}}, desk: {{type: sns}}}}\nroutes: {routes}\n",
        "alerts.yaml",
    )


def test_the_label_that_is_easiest_to_pass_is_tried() -> None:
    assert label_to_try(config_with("[{channels: [terminal, desk]}]"), "alerts.yaml").name == "quake"


def test_a_label_counts_by_its_first_route_alone() -> None:
    routes = "[{labels: [quake, fire], channels: [terminal]}, {channels: [desk]}]"
    assert label_to_try(config_with(routes), "alerts.yaml").name == "flood"


def test_no_label_that_leads_to_sns_is_a_mistake_in_the_configuration() -> None:
    with pytest.raises(UserMistake, match=r"^alerts\.yaml: routes: expected one that leads a label to .* found none: "):
        label_to_try(config_with("[{channels: [terminal]}, {channels: [desk]}]"), "alerts.yaml")


def test_the_post_says_first_that_it_is_a_test_and_then_what_the_label_is_about() -> None:
    label = Label(name="quake", threshold=0.3, description="tremors being felt")
    post = smoke_post(label, "Es geht um {}.", "1a2b3c4d", NOW)
    assert post.id == "smoke:1a2b3c4d"
    assert post.text == "[test 1a2b3c4d of tweet-alerts, please ignore] Es geht um tremors being felt."
    assert post.created_at == post.received_at == NOW


@pytest.mark.parametrize(
    ("before", "after", "queue"),
    [
        ({}, {}, None),
        ({}, {"posts": Depth(1, 0, 0)}, "posts"),
        ({}, {"posts": Depth(0, 1, 0)}, "posts"),
        ({}, {"deliveries": Depth(0, 0, 1)}, "deliveries"),
        # two channels hear of each post
        ({}, {"alerts": Depth(1, 0, 0), "deliveries": Depth(0, 0, 2)}, "deliveries"),
        ({}, {"alerts": Depth(1, 0, 0), "deliveries": Depth(0, 0, 1)}, "alerts"),
        # a channel that has been away for hours has nothing to do with it
        ({"deliveries": Depth(0, 0, 900)}, {"posts": Depth(5, 0, 0), "deliveries": Depth(2, 3, 895)}, "posts"),
        ({"posts": Depth(9, 0, 0)}, {"posts": Depth(3, 1, 0)}, None),
    ],
)
def test_the_queue_that_has_grown_is_the_suspect(
    before: dict[str, Depth], after: dict[str, Depth], queue: str | None
) -> None:
    empty = dict.fromkeys(("posts", "alerts", "deliveries"), NOTHING)
    assert suspect(empty | before, empty | after) == queue


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "4566 "])
def test_a_port_that_cannot_be(port: str) -> None:
    with pytest.raises(UserMistake, match=r"^environment: EMULATOR_PORT: expected a port from 1 to 65535, got '"):
        find_environment(None, {"EMULATOR_PORT": port})


def test_neither_a_profile_nor_a_proxy_changes_what_local_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://sqs.eu-west-1.amazonaws.com")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    client = find_environment(None, {}).client("sqs")
    assert client.meta.endpoint_url == "http://127.0.0.1:4566"
    assert client.meta.region_name == "us-east-1"
    assert client._endpoint.http_session._proxy_config.proxy_url_for("http://127.0.0.1:4566") is None
