"""The recorder: what it reads from requests of the services' own clients, what it refuses, and what it hands on."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from pipeline.aws import aws_client
from pipeline.sqs_rules import is_denied
from tests.support.aws_answers import AwsAnswer, error, model_error, unavailable
from tests.support.aws_call_recorder import AwsCallRecorder
from tests.support.aws_calls import ACTIONS, AwsRequest
from tests.support.iam_policies import Right

ACCOUNT = "000000000000"
QUEUE_URL = f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/posts"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:posts"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:notifications"
OBJECT = "arn:aws:s3:::config-1x2y/alerts of today.yaml"
ENDPOINT = f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:endpoint/zero-shot"
SQS_ANSWER = AwsAnswer(
    200, {"Content-Type": "application/x-amz-json-1.0", "x-amzn-RequestId": "r-1"}, b'{"MessageId": "m-1"}'
)

Call = Callable[[], Any]


class Aws(ThreadingHTTPServer):
    """Gives one answer to everything, and keeps what it was asked."""

    def __init__(self, answer: AwsAnswer) -> None:
        super().__init__(("127.0.0.1", 0), _AwsHandler)
        self.answer = answer
        self.requests: list[AwsRequest] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def __exit__(self, *of_an_error: object) -> None:
        self.shutdown()
        self.server_close()


class _AwsHandler(BaseHTTPRequestHandler):
    server: Aws

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(AwsRequest(self.command, self.path, dict(self.headers.items()), body))
        self.send_response_only(self.server.answer.status)
        for name, value in self.server.answer.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.answer.body)

    do_GET = do_POST  # noqa: N815 - the name that the base class looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class uses
        """Requests are kept, not logged."""


class Clients:
    """The services' own clients, all led to a recorder."""

    def __init__(self, opened: ExitStack) -> None:
        self._opened = opened

    def _client(self, api: str) -> Any:
        client = aws_client(api, "us-east-1")
        self._opened.callback(client.close)
        return client

    @cached_property
    def sqs(self) -> Any:
        return self._client("sqs")

    @cached_property
    def sns(self) -> Any:
        return self._client("sns")

    @cached_property
    def s3(self) -> Any:
        return self._client("s3")

    @cached_property
    def model(self) -> Any:
        return self._client("sagemaker-runtime")

    def calls(self) -> dict[tuple[str, str], tuple[Call, str]]:
        """For each operation that the table knows a call of it, and the resource that it is of."""
        receipt = {"Id": "0", "ReceiptHandle": "r"}
        published = [{"Id": "0", "Message": "m"}]
        changed = [{**receipt, "VisibilityTimeout": 0}]
        queue: dict[str, Any] = {"QueueUrl": QUEUE_URL}
        sqs = {
            "SendMessage": lambda: self.sqs.send_message(MessageBody="m", **queue),
            "SendMessageBatch": lambda: self.sqs.send_message_batch(Entries=[{"Id": "0", "MessageBody": "m"}], **queue),
            "ReceiveMessage": lambda: self.sqs.receive_message(**queue),
            "DeleteMessage": lambda: self.sqs.delete_message(ReceiptHandle="r", **queue),
            "DeleteMessageBatch": lambda: self.sqs.delete_message_batch(Entries=[receipt], **queue),
            "ChangeMessageVisibility": lambda: self.sqs.change_message_visibility(
                ReceiptHandle="r", VisibilityTimeout=0, **queue
            ),
            "ChangeMessageVisibilityBatch": lambda: self.sqs.change_message_visibility_batch(Entries=changed, **queue),
            "GetQueueAttributes": lambda: self.sqs.get_queue_attributes(**queue),
        }
        return {
            **{("sqs", operation): (call, QUEUE) for operation, call in sqs.items()},
            ("sns", "Publish"): (lambda: self.sns.publish(TopicArn=TOPIC, Message="m"), TOPIC),
            ("sns", "PublishBatch"): (
                lambda: self.sns.publish_batch(TopicArn=TOPIC, PublishBatchRequestEntries=published),
                TOPIC,
            ),
            ("s3", "GetObject"): (self.get_object, OBJECT),
            ("s3", "PutObject"): (self.put_object, OBJECT),
            ("sagemaker", "InvokeEndpoint"): (self.invoke, ENDPOINT),
        }

    def send(self, body: str = "m") -> Any:
        return self.sqs.send_message(QueueUrl=QUEUE_URL, MessageBody=body)

    def get_object(self, **more: Any) -> Any:
        return self.s3.get_object(Bucket="config-1x2y", Key="alerts of today.yaml", **more)

    def put_object(self) -> Any:
        return self.s3.put_object(Bucket="config-1x2y", Key="alerts of today.yaml", Body=b"content")

    def invoke(self) -> Any:
        return self.model.invoke_endpoint(EndpointName="zero-shot", Body=b"{}")


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def start(opened: ExitStack, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[AwsCallRecorder, Clients]]:
    """A recorder for classifier with these rights, before one server for all APIs; and clients that lead to it."""

    def start(*rights: tuple[str, str], upstream: str = "http://127.0.0.1:9") -> tuple[AwsCallRecorder, Clients]:
        upstreams = dict.fromkeys(("sqs", "sns", "s3", "sagemaker"), upstream)
        allowed = frozenset(Right("classifier", action, resource) for action, resource in rights)
        recorder = opened.enter_context(AwsCallRecorder("classifier", allowed, upstreams, ACCOUNT))
        for name, value in {**recorder.environment, "AWS_ACCESS_KEY_ID": "t", "AWS_SECRET_ACCESS_KEY": "t"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        return recorder, Clients(opened)

    return start


Start = Callable[..., tuple[AwsCallRecorder, Clients]]


def refusal_of(call: Call) -> tuple[int, str]:
    """Status and code of the error that a call ends with."""
    with pytest.raises(ClientError) as raised:
        call()
    response = raised.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_each_operation_of_the_table_is_read_as_its_action_on_its_resource_and_refused_as_aws_would(
    start: Start,
) -> None:
    codes = {"sqs": "AccessDenied", "sns": "AuthorizationError", "s3": "AccessDenied"}
    recorder, clients = start()
    calls = clients.calls()
    assert calls.keys() == ACTIONS.keys()
    for (api, operation), (call, resource) in calls.items():
        before = len(recorder.refused)
        assert refusal_of(call) == (403, codes.get(api, "AccessDeniedException"))
        action = ACTIONS[api, operation]
        assert Right("classifier", action, resource) in recorder.recorded
        assert recorder.refused[before:] == [f"classifier: {action} on {resource}: its policy does not allow that"]


def test_the_services_take_the_refusal_for_what_it_is(start: Start) -> None:
    _, clients = start()
    with pytest.raises(ClientError) as raised:
        clients.send()
    assert is_denied(raised.value)


def test_a_right_is_for_one_service_one_action_and_one_resource(start: Start) -> None:
    _, clients = start(("sqs:SendMessage", f"{QUEUE}-dlq"), ("sqs:ReceiveMessage", QUEUE))
    assert refusal_of(clients.send) == (403, "AccessDenied")
    with AwsCallRecorder("notifier", frozenset([Right("classifier", "sqs:SendMessage", QUEUE)]), {}, ACCOUNT) as other:
        request = {"X-Amz-Target": "AmazonSQS.SendMessage", "Authorization": signed_for("sqs")}
        answer = requests.post(other.url, json={"QueueUrl": QUEUE_URL}, headers=request, timeout=10)
        assert answer.status_code == 403


def signed_for(api: str) -> str:
    return f"AWS4-HMAC-SHA256 Credential=test/20261125/us-east-1/{api}/aws4_request, SignedHeaders=host, Signature=0"


def test_with_one_action_taken_out_of_a_policy_that_call_alone_is_refused_and_named(start: Start) -> None:
    whole = {("sqs:SendMessage", QUEUE), ("sqs:DeleteMessage", QUEUE)}
    with Aws(SQS_ANSWER) as aws:
        recorder, clients = start(*(whole - {("sqs:DeleteMessage", QUEUE)}), upstream=aws.url)
        clients.send()
        assert refusal_of(clients.calls()["sqs", "DeleteMessageBatch"][0]) == (403, "AccessDenied")
        allowed = {Right("classifier", "sqs:SendMessage", QUEUE)}
        assert recorder.recorded - allowed == {Right("classifier", "sqs:DeleteMessage", QUEUE)}
        assert recorder.refused == [f"classifier: sqs:DeleteMessage on {QUEUE}: its policy does not allow that"]
        assert len(aws.requests) == 1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda clients: clients.sqs.list_queues(), "ListQueues of sqs"),
        (lambda clients: clients.sqs.purge_queue(QueueUrl=QUEUE_URL), "PurgeQueue of sqs"),
        (lambda clients: clients.sns.publish(PhoneNumber="+1", Message="m"), "Publish of sns without a topic"),
        (lambda clients: clients.sns.get_topic_attributes(TopicArn=TOPIC), "GetTopicAttributes of sns"),
        (lambda clients: clients.s3.list_objects_v2(Bucket="config-1x2y"), "GET /config-1x2y?list-type=2"),
        (lambda clients: clients.s3.copy_object(Bucket="b", Key="k", CopySource="b/j"), "PUT /b/k"),
        (lambda clients: clients.s3.head_object(Bucket="b", Key="k"), "HEAD /b/k"),
        (lambda clients: clients.get_object(VersionId="3"), "GET /config-1x2y/alerts%20of%20today.yaml?versionId=3"),
        (
            lambda clients: clients.model.invoke_endpoint_async(EndpointName="e", InputLocation="s3://b/k"),
            "POST /endpoints/e/async-invocations",
        ),
    ],
)
def test_an_operation_that_the_table_does_not_know_is_refused_and_told(
    start: Start, call: Callable[[Clients], object], said: str
) -> None:
    recorder, clients = start()
    with pytest.raises((ClientError, ResponseParserError)):
        call(clients)
    (line,) = recorder.refused
    assert line.startswith(f"classifier: {said}")
    assert line.endswith(": expected an operation that ACTIONS has")
    assert recorder.recorded == frozenset()


@pytest.mark.parametrize(
    ("headers", "said"),
    [({}, "GET /: not signed for an API of AWS"), ({"Authorization": signed_for("dynamodb")}, "GET / of dynamodb")],
)
def test_what_is_no_call_of_a_known_api_is_refused_and_told(start: Start, headers: dict[str, str], said: str) -> None:
    recorder, _ = start()
    assert requests.get(recorder.url, headers=headers, timeout=10).status_code == 501
    assert recorder.refused == [f"classifier: {said}: expected an operation that ACTIONS has"]


def test_what_is_allowed_is_handed_on_as_it_is_and_so_is_its_answer(start: Start) -> None:
    with Aws(SQS_ANSWER) as aws:
        recorder, clients = start(("sqs:SendMessage", QUEUE), upstream=aws.url)
        response = clients.send("Überschwemmung")
        (request,) = aws.requests
    assert response["MessageId"] == "m-1"
    assert response["ResponseMetadata"]["RequestId"] == "r-1"
    assert (request.method, request.target) == ("POST", "/")
    # what was signed must arrive unchanged
    assert request.headers["Host"] == recorder.url.removeprefix("http://")
    assert request.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=t/")
    assert json.loads(request.body) == {"QueueUrl": QUEUE_URL, "MessageBody": "Überschwemmung"}
    assert recorder.recorded == {Right("classifier", "sqs:SendMessage", QUEUE)}
    assert recorder.refused == []


def test_what_was_seen_can_be_asked_for_by_action_resource_and_content(start: Start) -> None:
    recorder, clients = start()
    assert refusal_of(lambda: clients.send("one of two")) == (403, "AccessDenied")
    assert recorder.saw("sqs:SendMessage", QUEUE)
    assert recorder.saw("sqs:SendMessage", QUEUE, b"one", b"two")
    assert not recorder.saw("sqs:SendMessage", QUEUE, b"one", b"three")
    assert not recorder.saw("sqs:SendMessage", f"{QUEUE}-dlq")
    assert not recorder.saw("sqs:ReceiveMessage", QUEUE)


def test_that_a_key_is_not_there_is_told_only_to_those_who_may_list_the_bucket(start: Start) -> None:
    with Aws(error("s3", 404, "NoSuchKey", "The specified key does not exist.")) as aws:
        recorder, clients = start(("s3:GetObject", OBJECT), upstream=aws.url)
        assert refusal_of(clients.get_object) == (403, "AccessDenied")
        bucket = "arn:aws:s3:::config-1x2y"
        assert recorder.refused == [f"classifier: s3:ListBucket on {bucket}: its policy does not allow that"]
        recorder, clients = start(("s3:GetObject", OBJECT), ("s3:ListBucket", bucket), upstream=aws.url)
        assert refusal_of(clients.get_object) == (404, "NoSuchKey")
        assert recorder.refused == []


def test_that_a_bucket_is_not_there_is_told_to_everyone(start: Start) -> None:
    with Aws(error("s3", 404, "NoSuchBucket", "The specified bucket does not exist")) as aws:
        recorder, clients = start(("s3:GetObject", OBJECT), upstream=aws.url)
        assert refusal_of(clients.get_object) == (404, "NoSuchBucket")
        assert recorder.refused == []


def test_an_interference_answers_in_awss_stead_while_it_lasts_and_only_what_is_allowed(start: Start) -> None:
    with Aws(SQS_ANSWER) as aws:
        recorder, clients = start(("sqs:SendMessage", QUEUE), upstream=aws.url)
        with recorder.interfering(lambda call: unavailable(call) if b"bad" in call.body else None):
            assert refusal_of(lambda: clients.send("bad")) == (503, "ServiceUnavailable")
            clients.send("good")
            assert refusal_of(lambda: clients.sqs.receive_message(QueueUrl=QUEUE_URL)) == (403, "AccessDenied")
        clients.send("bad")
        assert len(aws.requests) == 2


def test_an_error_of_the_model_is_of_the_shape_that_boto3_knows(start: Start) -> None:
    recorder, clients = start(("sagemaker:InvokeEndpoint", ENDPOINT))
    with recorder.interfering(lambda _call: model_error(400, "too long")), pytest.raises(ClientError) as raised:
        clients.invoke()
    response: Any = raised.value.response
    assert response["Error"]["Code"] == "ModelError"
    assert (response["OriginalStatusCode"], response["OriginalMessage"]) == (400, "too long")
