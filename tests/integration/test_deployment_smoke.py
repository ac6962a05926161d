"""The smoke test as a process of its own, on the emulator, with the real classifier, notifier and model."""

import json
import re
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError, ReadTimeoutError

from deployment.environment import Environment, find_environment
from deployment.road_state import DeadLetter, RoadState
from deployment.smoke_post import label_to_try, smoke_post
from deployment.topic_listener import TopicListener
from pipeline.alerts_config import read_alerts_config
from pipeline.label_config import Label
from tests.support.emulator import Emulator
from tests.support.model_process import ModelProcess, running_model
from tests.support.smoke_road import CONFIG, SECONDS, SmokeRoad
from tests.support.state_bucket import make_state_bucket

TERMINAL_ONLY = b"""
labels: [{name: flood, threshold: 0.5}]
channels: {terminal: {type: stdout}, desk: {type: sns}}
routes: [{channels: [terminal]}]
"""
STORY = "smoke:1a2b3c4d"
TRIED = label_to_try(read_alerts_config(CONFIG), str(CONFIG))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelProcess]:
    with running_model(tmp_path_factory.mktemp("model") / "log.txt") as model:
        yield model


@pytest.fixture
def road(emulator: Emulator, stack: dict[str, str], tmp_path: Path) -> Iterator[SmokeRoad]:
    road = SmokeRoad(emulator, stack, tmp_path)
    yield road
    road.kill_all()


@pytest.fixture
def environment(road: SmokeRoad, monkeypatch: pytest.MonkeyPatch) -> Environment:
    monkeypatch.setenv("AWS_ENDPOINT_URL", road.emulator.url)
    return find_environment(road.name, road.emulator.environment)


@pytest.fixture
def listener(road: SmokeRoad) -> Iterator[TopicListener]:
    listener = listener_with(road, road.sqs, road.sns)
    listener.open(STORY)
    yield listener
    listener.close()


def listener_with(road: SmokeRoad, sqs: Any, sns: Any) -> TopicListener:
    return TopicListener(sqs, sns, road.topic, f"tweet-alerts-{road.name}-smoke-1a2b3c4d", time.monotonic)


@pytest.mark.parametrize("label", read_alerts_config(CONFIG).labels, ids=lambda label: label.name)
def test_the_model_takes_the_post_for_its_label_with_room_to_spare(model: ModelProcess, label: Label) -> None:
    config = read_alerts_config(CONFIG)
    post = smoke_post(label, config.hypothesis_template, "1a2b3c4d", datetime.now(UTC))
    request = {
        "inputs": [post.text],
        "parameters": {
            "candidate_labels": [each.candidate for each in config.labels],
            "multi_label": True,
            "hypothesis_template": config.hypothesis_template,
        },
    }
    (answer,) = requests.post(f"{model.url}/invocations", json=request, timeout=30).json()
    assert answer["labels"][0] == label.candidate
    # half of the way from the threshold to certainty, at least
    assert answer["scores"][0] >= (label.threshold + 1) / 2


def test_the_notification_comes(road: SmokeRoad, model: ModelProcess) -> None:
    witness = road.subscribed_queue("witness")
    road.start_service("classifier", model.url)
    road.start_service("notifier")
    done = road.smoke()
    assert (done.returncode, done.stderr) == (0, "")
    place, listening, sent, received = done.stdout.splitlines()
    assert place.strip() == (
        f"environment {road.name} in us-east-1: label {TRIED.name} leads to SNS, says config/alerts.yaml"
    )
    assert re.fullmatch(rf" +queue tweet-alerts-{road.name}-smoke-[0-9a-f]{{8}} listens to the topic", listening)
    post = re.fullmatch(rf" +0\.\d s  post (smoke:[0-9a-f]{{8}}) sent to tweet-alerts-{road.name}-posts", sent)
    assert post
    assert re.fullmatch(rf" +\d+\.\d s  notification received: {TRIED.name} [01]\.\d\d", received)
    assert [url.rpartition("/")[2] for url in road.smoke_queues()] == []
    assert [each["Endpoint"].rpartition(":")[2] for each in road.subscriptions()] == ["witness"]
    # people get the one message, and it tells them at once what it is
    (notification,) = road.received(witness)
    assert notification["MessageAttributes"]["story"]["Value"] == post[1]
    token = post[1].removeprefix("smoke:")
    assert notification["Message"].startswith(f"[test {token} of tweet-alerts, please ignore] ")
    assert notification["Subject"].startswith(f"{TRIED.name}: [test ")


def test_posts_that_nobody_receives_point_to_the_classifier(road: SmokeRoad) -> None:
    road.start_service("notifier")
    done = road.smoke("--timeout", "2")
    assert done.returncode == 1
    assert done.stderr == (
        "smoke: the post most likely waits in the posts queue, and goes on once classifier receives it: "
        f"copilot svc logs --name classifier --env {road.name}\n"
    )
    assert "no notification within 2 s" in done.stdout
    assert "posts: 1 waiting, 0 in hand, 0 for later (0 in all before the post); dead letters: 0" in done.stdout
    assert road.nothing_is_left()
    # what was looked at is still there, for the classifier to go on with
    assert road.waiting("PostsQueueUrl") == 1


def test_a_model_that_is_away_points_to_the_classifier(road: SmokeRoad) -> None:
    road.start_service("classifier")
    road.start_service("notifier")
    done = road.smoke("--timeout", "2")
    assert done.returncode == 1
    assert "waits in the posts queue" in done.stderr
    assert f"copilot svc logs --name classifier --env {road.name}\n" in done.stderr
    assert road.nothing_is_left()


def test_alerts_that_nobody_receives_point_to_the_notifier(road: SmokeRoad, model: ModelProcess) -> None:
    road.start_service("classifier", model.url)
    done = road.smoke("--timeout", "5")
    assert done.returncode == 1
    assert "alerts: 1 waiting, 0 in hand, 0 for later (0 in all before the post); dead letters: 0" in done.stdout
    assert done.stderr == (
        "smoke: the post most likely waits in the alerts queue, and goes on once notifier receives it: "
        f"copilot svc logs --name notifier --env {road.name}\n"
    )
    assert road.nothing_is_left()


def test_a_delivery_that_became_a_dead_letter_is_told_with_its_reason(road: SmokeRoad, model: ModelProcess) -> None:
    road.start_service("classifier", model.url)
    road.start_service("notifier", DELIVERY_LIFETIME_SECONDS="0.000001")
    done = road.smoke("--timeout", "5")
    assert done.returncode == 1
    assert re.search(
        r"the post is a dead letter of the deliveries queue: channel (desk|terminal): expired after 1 attempts",
        done.stdout,
    )
    assert done.stderr == f"smoke: notifier gave the post up: copilot svc logs --name notifier --env {road.name}\n"
    assert road.nothing_is_left()
    # one for each channel, and a look took neither away
    assert road.waiting("DeliveriesDeadLetterQueueUrl") == 2


def test_a_post_below_its_threshold_points_to_the_classifier(
    road: SmokeRoad, model: ModelProcess, tmp_path: Path
) -> None:
    nothing_passes = tmp_path / "alerts.yaml"
    nothing_passes.write_text(re.sub(r"threshold: 0\.\d+", "threshold: 1", CONFIG.read_text()))
    road.start_service("classifier", model.url, ALERTS_CONFIG=str(nothing_passes))
    road.start_service("notifier")
    done = road.smoke("--timeout", "5")
    assert done.returncode == 1
    assert done.stderr == (
        f"smoke: nothing waits, so the model has most likely scored {TRIED.name} below {TRIED.threshold:g}: "
        f"copilot svc logs --name classifier --env {road.name}\n"
    )


def test_a_dead_letter_is_found_among_others_and_nothing_is_hidden(road: SmokeRoad, environment: Environment) -> None:
    url = road.outputs["PostsDeadLetterQueueUrl"]
    road.send(url, "another's", reason="another reason", service="another")
    road.send(url, f"post {STORY}", reason="refused by the model:\n\x1b[31mtoo long", service="classifier")
    assert RoadState(environment).dead_letter_of(STORY) == DeadLetter(
        "posts", "classifier", "refused by the model: too long"
    )
    assert RoadState(environment).dead_letter_of("smoke:00000000") is None
    assert road.waiting("PostsDeadLetterQueueUrl") == 2


def test_what_aws_refuses_is_one_line_and_leaves_nothing_behind(road: SmokeRoad) -> None:
    road.sns.delete_topic(TopicArn=road.topic)
    done = road.smoke()
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("smoke: An error occurred (NotFound) when calling the Subscribe operation: ")
    assert road.smoke_queues() == []
    assert road.waiting("PostsQueueUrl") == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_leaves_nothing_behind(road: SmokeRoad, number: signal.Signals) -> None:
    process = road.start_smoke()
    assert process.stdout
    while " sent to " not in process.stdout.readline():
        assert process.poll() is None
    assert not road.nothing_is_left()
    process.send_signal(number)
    # impatience changes nothing
    process.send_signal(number)
    _, stderr = process.communicate(timeout=SECONDS)
    assert (process.returncode, stderr) == (130, "smoke: stopped; the post is under way all the same\n")
    assert road.nothing_is_left()


def test_a_reader_that_goes_away_leaves_nothing_behind(road: SmokeRoad) -> None:
    process = road.start_smoke("--timeout", "2")
    assert process.stdout
    while " sent to " not in process.stdout.readline():
        assert process.poll() is None
    process.stdout.close()
    assert process.wait(SECONDS) == 1
    assert process.stderr
    assert process.stderr.read() == ""
    assert road.nothing_is_left()


def test_the_queue_is_encrypted_short_lived_and_open_to_the_topic_alone(
    road: SmokeRoad, listener: TopicListener
) -> None:
    (url,) = road.smoke_queues()
    attributes = road.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["SqsManagedSseEnabled"] == "true"
    assert int(attributes["MessageRetentionPeriod"]) <= 300
    (statement,) = json.loads(attributes["Policy"])["Statement"]
    assert statement == {
        "Sid": "TheTopicAlone",
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": attributes["QueueArn"],
        "Condition": {"ArnEquals": {"aws:SourceArn": road.topic}},
    }
    (subscription,) = road.subscriptions()
    of_it = road.sns.get_subscription_attributes(SubscriptionArn=subscription["SubscriptionArn"])["Attributes"]
    assert json.loads(of_it["FilterPolicy"]) == {"story": [STORY]}


def test_another_story_is_no_notification(road: SmokeRoad, listener: TopicListener) -> None:
    (subscription,) = road.subscriptions()
    # what SNS may do until the filter policy is in force
    road.sns.set_subscription_attributes(
        SubscriptionArn=subscription["SubscriptionArn"], AttributeName="FilterPolicy", AttributeValue="{}"
    )
    road.publish("x:1", "flood", "0.9")
    assert listener.wait_for(STORY, time.monotonic() + 1, lambda: False) is None
    road.publish(STORY, "quake", "0.75")
    assert listener.wait_for(STORY, time.monotonic() + SECONDS, lambda: False) == ("quake", 0.75)


class Unreliable:
    """A client one of whose calls fails: after it was done, as if its answer were lost, or before."""

    def __init__(self, client: Any, call: str, error: Exception, *, done: bool) -> None:
        self._client, self._call, self._error, self._done = client, call, error, done

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def failing(**arguments: Any) -> Any:
            if self._done:
                method(**arguments)
            raise self._error

        return failing if name == self._call else method


LOST = ReadTimeoutError(endpoint_url="http://somewhere")
REFUSED = ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "Operation")


@pytest.mark.parametrize("call", ["create_queue", "subscribe", "get_subscription_attributes"])
@pytest.mark.parametrize(("error", "done"), [(LOST, True), (LOST, False), (REFUSED, False)])
def test_what_may_have_been_made_is_removed(road: SmokeRoad, call: str, error: Exception, done: bool) -> None:
    listener = listener_with(
        road, Unreliable(road.sqs, call, error, done=done), Unreliable(road.sns, call, error, done=done)
    )
    with pytest.raises(type(error)):
        listener.open(STORY)
    assert listener.close() == []
    assert road.nothing_is_left()


def test_what_cannot_be_removed_is_named_and_the_rest_is_removed(road: SmokeRoad) -> None:
    listener = listener_with(road, road.sqs, Unreliable(road.sns, "unsubscribe", REFUSED, done=False))
    listener.open(STORY)
    (left,) = listener.close()
    queue_arn = f"arn:aws:sqs:us-east-1:000000000000:{listener.queue_name}"
    assert left.startswith(f"subscription of {queue_arn} to {road.topic}: ")
    assert left.endswith("not you")
    assert road.smoke_queues() == []


def test_the_object_in_the_bucket_is_in_force(road: SmokeRoad) -> None:
    bucket = make_state_bucket(road.emulator, road.name)
    road.emulator.client("s3").put_object(Bucket=bucket, Key="config/alerts.yaml", Body=TERMINAL_ONLY)
    done = road.smoke()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"smoke: s3://{bucket}/config/alerts.yaml: routes: expected one that leads a label to a channel of type sns, "
        "found none: nothing can be heard of a post\n"
    )
    assert road.waiting("PostsQueueUrl") == 0


def test_without_an_object_in_the_bucket_the_repositorys_file_is_in_force(road: SmokeRoad) -> None:
    make_state_bucket(road.emulator, road.name)
    done = road.smoke("--timeout", "1")
    assert "leads to SNS, says config/alerts.yaml" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "variables", "line"),
    [
        (
            ("--env", "nowhere"),
            {},
            "environment nowhere in us-east-1: expected the export tweet-alerts-nowhere-PostsQueueUrl, found none; "
            "deploy it: copilot env deploy --name nowhere",
        ),
        (
            ("--env", "nowhere"),
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"},
            "environment nowhere in us-east-1: expected an answer with CloudFormation's exports, "
            "got: Unable to locate credentials",
        ),
        (
            ("--env", "nowhere"),
            {"AWS_REGION": ""},
            "environment: AWS_REGION: expected a region such as eu-west-1, got nothing, and the AWS profile has none",
        ),
        (
            ("--env", "nowhere"),
            {"AWS_PROFILE": "nobody"},
            "environment: AWS_PROFILE, AWS_CONFIG_FILE: The config profile (nobody) could not be found",
        ),
        (
            ("--env", ""),
            {"EMULATOR_PORT": "9"},
            "environment local at http://127.0.0.1:9: expected an answer with CloudFormation's exports, got: Could not "
            'connect to the endpoint URL: "http://127.0.0.1:9/"; start it: docker compose up --wait, and EMULATOR_PORT '
            "names another port",
        ),
        (("--timeout", "soon"), {}, "--timeout: expected seconds above 0, up to 3600, got 'soon'"),
        (("--timeout", "0"), {}, "--timeout: expected seconds above 0, up to 3600, got '0'"),
    ],
    ids=["no environment", "no credentials", "no region", "no profile", "no compose", "no number", "no time"],
)
def test_a_mistake_is_one_line(
    road: SmokeRoad, arguments: tuple[str, ...], variables: dict[str, str], line: str
) -> None:
    done = road.smoke(*arguments, **variables)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"smoke: {line}\n")


def test_an_emulator_without_the_stack_is_not_the_compose_system(road: SmokeRoad) -> None:
    port = road.emulator.url.rpartition(":")[2]
    done = road.smoke("--env", "local", EMULATOR_PORT=port)
    assert (done.returncode, done.stderr) == (
        2,
        f"smoke: environment local at http://127.0.0.1:{port}: expected the export tweet-alerts-local-PostsQueueUrl, "
        "found none; start it: docker compose up --wait\n",
    )
