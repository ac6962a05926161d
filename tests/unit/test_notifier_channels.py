"""Standard output and SNS as channels, and how they are made from the configuration."""

import io
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.stub import Stubber

from notifier.channels.contract import Delivered, Failed
from notifier.channels.factory import build_channels
from notifier.channels.sns import SnsChannel
from notifier.channels.stdout import StdoutChannel
from notifier.settings import Settings
from pipeline.alerts_config import AlertsConfig, parse_alerts_config
from pipeline.contracts import Author, Delivery, DeliveryKind, LabelScore
from pipeline.errors import UserMistake
from tests.support.examples import a_delivery, a_post

TOPIC = "arn:aws:sns:us-east-1:000000000000:notifications"
SNS_BYTES = 256 * 1024


class FakeSns:
    """An SNS client that accepts every entry but those it is told of, or raises."""

    def __init__(self, failed: list[dict[str, Any]] | None = None, error: Exception | None = None) -> None:
        self._failed = failed or []
        self._error = error
        self.requests: list[dict[str, Any]] = []

    def publish_batch(self, **request: Any) -> dict[str, Any]:
        self.requests.append(request)
        if self._error:
            raise self._error
        failed = {entry["Id"] for entry in self._failed}
        entries = request["PublishBatchRequestEntries"]
        return {
            "Successful": [{"Id": entry["Id"], "MessageId": "m"} for entry in entries if entry["Id"] not in failed],
            "Failed": self._failed,
        }


def published(*deliveries: Delivery) -> list[dict[str, Any]]:
    sns = FakeSns()
    assert SnsChannel(sns, TOPIC).deliver(deliveries) == [Delivered()] * len(deliveries)  # type: ignore[arg-type]
    (request,) = sns.requests
    assert request["TopicArn"] == TOPIC
    return list(request["PublishBatchRequestEntries"])


def values_of(entry: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {name: (value["DataType"], value["StringValue"]) for name, value in entry["MessageAttributes"].items()}


def test_each_delivery_is_a_line() -> None:
    stream = io.StringIO()
    channel = StdoutChannel(stream)
    assert channel.deliver([a_delivery("1"), a_delivery("2", post=a_post(text="a\nb"))]) == [Delivered(), Delivered()]
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert "  a b  " in lines[1]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_small_alphabet_costs_no_alert(encoding: str) -> None:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, encoding=encoding)
    post = a_post(text="Flut in Köln 東京")
    assert StdoutChannel(stream).deliver([a_delivery(post=post)]) == [Delivered()]
    written = buffer.getvalue().decode(encoding)
    assert "Flut in K" in written
    assert ("東京" in written) is (encoding == "utf-8")


class BrokenPipe(io.StringIO):
    """What standard output is once `| head` has ended."""

    def flush(self) -> None:
        raise BrokenPipeError(32, "Broken pipe")


def test_a_broken_pipe_is_a_failure_that_may_pass() -> None:
    outcomes = StdoutChannel(BrokenPipe()).deliver([a_delivery("1"), a_delivery("2")])
    assert outcomes == [Failed("standard output: [Errno 32] Broken pipe")] * 2


def test_a_closed_stream_is_a_failure_that_may_pass() -> None:
    stream = io.StringIO()
    stream.close()
    assert StdoutChannel(stream).deliver([a_delivery()]) == [Failed("standard output: I/O operation on closed file")]


def test_subscribers_can_filter_by_attributes() -> None:
    (entry,) = published(
        a_delivery(labels=[LabelScore(name="earthquake", score=0.91234), LabelScore(name="x", score=0)])
    )
    assert values_of(entry) == {
        "kind": ("String", "first"),
        "story": ("String", "x:1"),
        "source": ("String", "x"),
        "label": ("String", "earthquake"),
        "score": ("Number", "0.9123"),
    }


def test_a_notice_has_no_label() -> None:
    (entry,) = published(a_delivery(kind=DeliveryKind.NOTICE, post=None, labels=[], text="warning: no posts"))
    assert values_of(entry) == {"kind": ("String", "notice"), "story": ("String", "x:1")}
    assert (entry["Subject"], entry["Message"]) == ("warning: no posts", "warning: no posts")


def test_the_subject_is_label_and_text() -> None:
    (entry,) = published(a_delivery())
    assert entry["Subject"] == "earthquake: Strong shaking in Valparaiso"
    assert entry["Message"].startswith("Strong shaking in Valparaíso\n")


def test_a_hostile_post_forges_no_header() -> None:
    hostile = a_post(text="a\r\nBcc: b@example.com\x1b[31m\u202e" + "c" * 200, source="x\r\ny")
    (entry,) = published(a_delivery(post=hostile, story_id="x:\n1"))
    assert entry["Subject"].startswith("earthquake: a Bcc: b@example.comccc")
    assert len(entry["Subject"]) == 99
    assert values_of(entry)["source"] == ("String", "x y")
    assert values_of(entry)["story"] == ("String", "x: 1")


def test_each_entry_has_its_own_outcome() -> None:
    failed = [
        {"Id": "0", "Code": "InternalError", "Message": "try later", "SenderFault": False},
        {"Id": "2", "Code": "InvalidParameter", "Message": "bad", "SenderFault": True},
    ]
    channel = SnsChannel(FakeSns(failed), TOPIC)  # type: ignore[arg-type]
    assert channel.deliver([a_delivery(str(number)) for number in range(4)]) == [
        Failed("SNS: InternalError: try later", final=False),
        Delivered(),
        Failed("SNS: InvalidParameter: bad", final=True),
        Delivered(),
    ]


class SilentSns(FakeSns):
    """Answers without a word about any entry."""

    def publish_batch(self, **request: Any) -> dict[str, Any]:
        return {"Successful": [{"Id": "1", "MessageId": "m"}]}


def test_an_entry_of_which_nothing_is_said_is_not_delivered() -> None:
    outcomes = SnsChannel(SilentSns(), TOPIC).deliver([a_delivery("1"), a_delivery("2")])  # type: ignore[arg-type]
    assert outcomes == [Failed("SNS: no word about this entry"), Delivered()]


@pytest.mark.parametrize(
    "error",
    [
        EndpointConnectionError(endpoint_url="https://sns.us-east-1.amazonaws.com"),
        ClientError({"Error": {"Code": "NotFound", "Message": "Topic does not exist"}}, "PublishBatch"),
        ClientError({"Error": {"Code": "Throttling", "Message": "Rate exceeded"}}, "PublishBatch"),
    ],
    ids=["refused", "no topic", "throttled"],
)
def test_an_outage_fails_every_entry_for_now(error: Exception) -> None:
    outcomes = SnsChannel(FakeSns(error=error), TOPIC).deliver([a_delivery("1"), a_delivery("2")])  # type: ignore[arg-type]
    assert outcomes == [Failed(f"SNS: {error}", final=False)] * 2


def test_the_request_is_of_the_shape_that_boto3_knows() -> None:
    client = boto3.client("sns", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    with Stubber(client) as stubber:
        stubber.add_response("publish_batch", {"Successful": [{"Id": "0", "MessageId": "m"}], "Failed": []})
        assert SnsChannel(client, TOPIC).deliver([a_delivery()]) == [Delivered()]
        stubber.assert_no_pending_responses()


def test_ten_of_the_largest_deliveries_fit_one_batch() -> None:
    wide = "😀" * 6_000  # four bytes a character
    post = a_post(text=wide, source=wide, url=wide, author=Author(username=wide, name=wide))
    largest = a_delivery(post=post, story_id=wide, labels=[LabelScore(name=wide, score=1.0)] * 10, links=[wide] * 50)
    entries = published(*[largest] * 10)
    size = sum(
        len(entry["Message"].encode())
        + len(entry["Subject"])
        + sum(len(name) + len(kind) + len(value.encode()) for name, (kind, value) in values_of(entry).items())
        for entry in entries
    )
    assert len(entries) == 10
    assert size <= SNS_BYTES


CONFIG = """
labels: [{name: flood, threshold: 0.5}]
channels: {terminal: {type: stdout}, desk: {type: sns}}
routes: [{channels: [terminal, desk]}]
"""


def settings(**more: str) -> Settings:
    queues = dict.fromkeys(
        (
            "alerts_queue_url",
            "alerts_dead_letter_queue_url",
            "deliveries_queue_url",
            "deliveries_dead_letter_queue_url",
        ),
        "http://127.0.0.1/queue",
    )
    return Settings(aws_region="us-east-1", **queues, **more)  # type: ignore[arg-type]


def config(text: str = CONFIG) -> AlertsConfig:
    return parse_alerts_config(text, "alerts.yaml")


def test_each_channel_of_the_configuration_is_built_under_its_name() -> None:
    channels = build_channels(config(), "conf.yaml", settings(sns_topic_arn=TOPIC), io.StringIO())
    assert {name: type(channel) for name, channel in channels.items()} == {
        "terminal": StdoutChannel,
        "desk": SnsChannel,
    }


def test_a_topic_channel_without_a_topic_is_a_mistake_that_names_both() -> None:
    with pytest.raises(UserMistake) as caught:
        build_channels(config(), "conf.yaml", settings(alerts_config="none.yaml conf.yaml"), io.StringIO())
    assert str(caught.value) == (
        "environment: SNS_TOPIC_ARN: expected the ARN of a topic for channel 'desk' of conf.yaml, got nothing"
    )


def test_without_a_topic_channel_no_topic_is_needed() -> None:
    only_stdout = CONFIG.replace(", desk: {type: sns}", "").replace(", desk]", "]")
    assert list(build_channels(config(only_stdout), "conf.yaml", settings(), io.StringIO())) == ["terminal"]
