"""The strict stand-in over HTTP: boto3's client against it, and the same calls against an emulator."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from prometheus_client import CollectorRegistry

from demo.stack import REGION
from pipeline.backoff import Backoff
from pipeline.queue_metrics import QueueMetrics
from pipeline.queue_reader import QueueReader
from pipeline.queue_writer import QueueWriter
from tests.support.emulator import Emulator
from tests.support.polling import wait_until
from tests.support.strict_sqs import RealClock, StrictSqs, VirtualClock, What
from tests.support.strict_sqs.faults import (
    ACCESS_DENIED,
    EXPIRED_TOKEN,
    INTERNAL_ERROR,
    REQUEST_THROTTLED,
    SERVICE_UNAVAILABLE,
    THROTTLING,
    Fault,
    LosesAnswer,
    NeverArrives,
    Receives,
)
from tests.support.strict_sqs.http_front import HttpFront
from tests.support.strict_sqs.queue_scenarios import QUEUE_SCENARIOS
from tests.support.strict_sqs.scenarios import MESSAGE_SCENARIOS, Scenario
from tests.support.strict_sqs.stage import Stage

SOON = 30.0
SCENARIOS = [*MESSAGE_SCENARIOS, *QUEUE_SCENARIOS]
NAMES = [scenario.play.__name__ for scenario in SCENARIOS]


@pytest.fixture
def sqs() -> StrictSqs:
    return StrictSqs(RealClock(), random.Random(1))


@pytest.fixture
def front(sqs: StrictSqs) -> Iterator[HttpFront]:
    with sqs.serve() as front:
        yield front


@pytest.fixture
def make_client(front: HttpFront) -> Iterator[Callable[..., Any]]:
    """Makes clients of the server."""
    made: list[Any] = []

    def make(**config: Any) -> Any:
        made.append(one_attempt_client(front.url, **config))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def boto(make_client: Callable[..., Any]) -> Any:
    return make_client()


@pytest.fixture
def url(sqs: StrictSqs, boto: Any) -> str:
    sqs.make_queue("posts-dlq")
    sqs.make_queue("posts", dead_letters="posts-dlq")
    return str(boto.get_queue_url(QueueName="posts")["QueueUrl"])


def one_attempt_client(url: str, **config: Any) -> Any:
    """boto3's client as the services have it: its own retries are off."""
    return boto3.client(
        "sqs",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


# The same scenarios here and there


@pytest.mark.parametrize("scenario", SCENARIOS, ids=NAMES)
def test_a_scenario_goes_as_amazons_documents_say(boto: Any, scenario: Scenario) -> None:
    assert scenario.play(Stage(boto, "scenario")) == scenario.expected


@pytest.mark.parametrize("scenario", SCENARIOS, ids=NAMES)
def test_an_emulator_sees_the_same_or_what_is_listed_of_it(emulator: Emulator, scenario: Scenario) -> None:
    # a list of differences in which one has gone is out of date, and fails here
    expected = scenario.emulator.seen if scenario.emulator else scenario.expected
    sqs = emulator.client("sqs")
    assert scenario.play(Stage(sqs, scenario.play.__name__)) == expected
    sqs.close()


def test_what_is_listed_as_a_difference_is_one() -> None:
    differences = [(each.expected, each.emulator) for each in SCENARIOS if each.emulator]
    assert all(difference.seen != expected and difference.reason for expected, difference in differences)
    # the common ground stays the larger part
    assert len(differences) < len(SCENARIOS) / 2


# Both fronts alike


def failing_calls(sqs: Any, url: str) -> list[Callable[[], object]]:
    sqs.send_message(QueueUrl=url, MessageBody="a")
    (message,) = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
    old = {"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]}
    one: Any = [{"Id": "a", "MessageBody": "a"}]
    return [
        lambda: sqs.send_message(QueueUrl=url, MessageBody=""),
        lambda: sqs.send_message(QueueUrl=url, MessageBody="\x00"),
        lambda: sqs.send_message(QueueUrl=url, MessageBody="\ud800"),
        lambda: sqs.send_message(QueueUrl=url, MessageBody="a" * 1_048_577),
        lambda: sqs.send_message(QueueUrl=url + "-none", MessageBody="a"),
        lambda: sqs.send_message(QueueUrl="nonsense", MessageBody="a"),
        lambda: sqs.send_message(QueueUrl=url, MessageBody=1),
        lambda: sqs.send_message(QueueUrl=url),
        lambda: sqs.send_message_batch(QueueUrl=url, Entries=[]),
        lambda: sqs.send_message_batch(QueueUrl=url, Entries=one * 11),
        lambda: sqs.send_message_batch(QueueUrl=url, Entries=one * 2),
        lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle="nonsense"),
        lambda: sqs.delete_message(**old),
        lambda: sqs.change_message_visibility(**old, VisibilityTimeout=5),
        lambda: sqs.change_message_visibility(**old, VisibilityTimeout=50_000),
        lambda: sqs.create_queue(QueueName="a b"),
        lambda: sqs.create_queue(QueueName="posts", Attributes={"DelaySeconds": "5"}),
        lambda: sqs.create_queue(QueueName="other", Attributes={"Nonsense": "5"}),
        lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "x"}),
        lambda: sqs.start_message_move_task(SourceArn="nonsense"),
        lambda: [sqs.purge_queue(QueueUrl=url) for _ in range(2)],
    ]


def failures(calls: list[Callable[[], object]]) -> list[Any]:
    seen: list[Any] = []
    for call in calls:
        try:
            call()
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            seen.append((type(error).__name__, str(error), error.response["Error"], status))
        except BotoCoreError as error:
            seen.append((type(error).__name__, str(error)))
        else:
            seen.append("no failure")
    return seen


def test_an_error_is_the_same_in_process_as_boto3_makes_it_of_the_answer_over_http(boto: Any, url: str) -> None:
    in_process = StrictSqs(RealClock(), random.Random(1))
    in_process.make_queue("posts-dlq")
    here = failures(failing_calls(in_process.client, in_process.make_queue("posts")))
    there = failures(failing_calls(boto, url))
    assert here == there
    assert "no failure" not in here


@pytest.mark.parametrize(
    "fault",
    [ACCESS_DENIED, EXPIRED_TOKEN, INTERNAL_ERROR, REQUEST_THROTTLED, SERVICE_UNAVAILABLE, THROTTLING],
    ids=lambda fault: fault.shape,
)
def test_an_error_on_demand_is_the_same_in_process_and_over_http(
    sqs: StrictSqs, boto: Any, url: str, fault: Fault
) -> None:
    sqs.faults.on("SendMessage", fault, times=2)
    send: Any = {"QueueUrl": url, "MessageBody": "a"}
    here, there = failures([partial(sqs.client.send_message, **send), partial(boto.send_message, **send)])
    assert here == there
    assert sqs.bodies("posts") == []


def test_answers_are_the_same_in_process_and_over_http(sqs: StrictSqs, boto: Any, url: str) -> None:
    def play(client: Any) -> list[Any]:
        blob = {"blob": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}}
        answers = [
            client.send_message(QueueUrl=url, MessageBody="a", MessageAttributes=blob),
            client.receive_message(
                QueueUrl=url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["ApproximateReceiveCount"]
            ),
            client.receive_message(QueueUrl=url),
            client.list_dead_letter_source_queues(QueueUrl=url),
        ]
        for message in answers[1]["Messages"]:
            answers.append(client.delete_message(QueueUrl=url, ReceiptHandle=message.pop("ReceiptHandle")))
            del message["MessageId"]
        del answers[0]["MessageId"]
        for answer in answers:
            assert answer.pop("ResponseMetadata")["HTTPStatusCode"] == 200
        return answers

    assert play(sqs.client) == play(boto)


# Faults over HTTP


def test_a_lost_answer_is_a_closed_connection_and_the_effect_is_there(sqs: StrictSqs, boto: Any, url: str) -> None:
    sqs.faults.on("SendMessage", NeverArrives())
    sqs.faults.on("SendMessage", LosesAnswer())
    for body in ("never", "lost"):
        with pytest.raises(ConnectionClosedError):
            boto.send_message(QueueUrl=url, MessageBody=body)
    boto.send_message(QueueUrl=url, MessageBody="well")
    assert sqs.bodies("posts") == ["lost", "well"]


def test_an_answer_that_is_too_late_is_a_read_timeout(
    sqs: StrictSqs, make_client: Callable[..., Any], url: str
) -> None:
    sqs.faults.on("SendMessage", LosesAnswer(by_silence=True))
    with pytest.raises(ReadTimeoutError):
        make_client(read_timeout=0.2).send_message(QueueUrl=url, MessageBody="a")
    assert sqs.bodies("posts") == ["a"]


def test_while_unreachable_connections_are_refused_and_afterwards_all_is_there(
    front: HttpFront, boto: Any, url: str
) -> None:
    boto.send_message(QueueUrl=url, MessageBody="a")
    with front.unreachable(), pytest.raises(EndpointConnectionError):
        boto.send_message(QueueUrl=url, MessageBody="b")
    (message,) = boto.receive_message(QueueUrl=url)["Messages"]
    assert message["Body"] == "a"


def test_a_poll_that_waits_ends_when_the_server_does() -> None:
    sqs = StrictSqs(VirtualClock(), random.Random(1))
    sqs.make_queue("posts")
    with ThreadPoolExecutor(1) as pool:
        with sqs.serve() as front:
            boto = one_attempt_client(front.url)
            poll = pool.submit(boto.receive_message, QueueUrl=f"{front.url}/000000000000/posts", WaitTimeSeconds=20)
            wait_until(lambda: sqs.broker.waiting_polls, "the poll to wait")
        poll.exception(SOON)
        assert sqs.broker.waiting_polls == 0
        boto.close()


# The protocol


@pytest.mark.parametrize(
    ("target", "body", "status", "type_"),
    [
        ("AmazonSQS.Nonsense", "{}", 404, "UnknownOperationException"),
        ("", "{}", 404, "UnknownOperationException"),
        ("AmazonSQS.TagQueue", '{"QueueUrl": "x", "Tags": {}}', 404, "UnknownOperationException"),
        ("AmazonSQS.SendMessage", "nonsense", 400, "SerializationException"),
        ("AmazonSQS.SendMessage", "[]", 400, "SerializationException"),
        ("AmazonSQS.SendMessage", '{"QueueUrl": "x", "MessageBody": 1}', 400, "SerializationException"),
        ("AmazonSQS.SendMessage", '{"QueueUrl": "x"}', 400, "MissingRequiredParameterException"),
        ("AmazonSQS.SendMessage", '{"QueueUrl": "x", "MessageBody": "a"}', 404, "InvalidAddress"),
    ],
)
def test_what_no_client_of_amazons_sends_is_refused(
    front: HttpFront, target: str, body: str, status: int, type_: str
) -> None:
    answer = requests.post(front.url, body, headers={"X-Amz-Target": target}, timeout=SOON, proxies={"http": ""})
    assert (answer.status_code, answer.json()["__type"]) == (status, "com.amazonaws.sqs#" + type_)
    assert answer.headers["x-amzn-query-error"].endswith(";Sender")
    assert answer.headers["Content-Type"] == "application/x-amz-json-1.0"


def test_a_failure_of_the_stand_in_itself_is_raised_at_the_end(sqs: StrictSqs, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_call: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(sqs.faults, "of_call", fail)
    front = sqs.serve().__enter__()
    boto = one_attempt_client(front.url)
    with pytest.raises(ConnectionClosedError):
        boto.list_queues()
    boto.close()
    with pytest.raises(ExceptionGroup) as caught:
        front.__exit__(None, None, None)
    assert isinstance(caught.value.exceptions[0], ZeroDivisionError)


# At work


def test_over_http_the_virtual_clock_counts_too() -> None:
    clock = VirtualClock()
    sqs = StrictSqs(clock, random.Random(1))
    sqs.make_queue("posts")
    with sqs.serve() as front, ThreadPoolExecutor(1) as pool:
        boto = one_attempt_client(front.url)
        url = boto.get_queue_url(QueueName="posts")["QueueUrl"]
        boto.send_message(QueueUrl=url, MessageBody="a")
        assert boto.receive_message(QueueUrl=url, VisibilityTimeout=12 * 3600)["Messages"]
        clock.advance(12 * 3600 - 5)
        poll = pool.submit(boto.receive_message, QueueUrl=url, WaitTimeSeconds=20)
        wait_until(lambda: sqs.broker.waiting_polls, "the poll to wait")
        clock.advance(5)
        assert poll.result(SOON)["Messages"][0]["Body"] == "a"
        boto.close()


def test_many_threads_take_each_message_once(sqs: StrictSqs, make_client: Callable[..., Any], url: str) -> None:
    boto = make_client(max_pool_connections=8)
    bodies = [str(number) for number in range(400)]
    taken: Counter[str] = Counter()
    lock = threading.Lock()

    def send(part: list[str]) -> None:
        for start in range(0, len(part), 10):
            entries = [{"Id": body, "MessageBody": body} for body in part[start : start + 10]]
            boto.send_message_batch(QueueUrl=url, Entries=entries)

    def take() -> None:
        while sum(taken.values()) < len(bodies):
            messages = boto.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
            with lock:
                taken.update(message["Body"] for message in messages)
            if messages:
                entries = [{"Id": m["Body"], "ReceiptHandle": m["ReceiptHandle"]} for m in messages]
                boto.delete_message_batch(QueueUrl=url, Entries=entries)

    with ThreadPoolExecutor(8) as pool:
        work = [pool.submit(send, bodies[start::4]) for start in range(4)] + [pool.submit(take) for _ in range(4)]
        for each in work:
            each.result(SOON)
    assert taken == Counter(bodies)
    assert sqs.ledger.bodies(What.DELETED) == Counter(bodies)
    assert not sqs.disagreements()


@pytest.mark.parametrize("over_http", [True, False])
def test_the_products_own_reader_and_writer_work_on_it(sqs: StrictSqs, boto: Any, url: str, over_http: bool) -> None:
    client_ = boto if over_http else sqs.client
    metrics = QueueMetrics(CollectorRegistry())
    backoff = Backoff(0.01, 0.02, random.Random(1))
    sqs.faults.on("SendMessageBatch", SERVICE_UNAVAILABLE)
    sqs.faults.on("ReceiveMessage", Receives(nothing=True))
    writer = QueueWriter(client_, url, "posts", metrics, backoff)
    futures = [writer.put(str(number), {"trace_id": str(number)}) for number in range(25)]
    for future in futures:
        future.result(SOON)
    assert writer.close(SOON)
    reader = QueueReader(client_, url, url + "-dlq", "posts", "test", metrics, backoff, threading.Event())
    received: list[str] = []
    while len(received) < 25:
        messages = reader.receive()
        received += [message.attributes["trace_id"] for message in messages]
        reader.delete(messages)
    reader.close()
    assert sorted(received) == sorted(str(number) for number in range(25))
    assert sqs.bodies("posts") == []
    assert sqs.ledger.count(What.DELETED) == 25
