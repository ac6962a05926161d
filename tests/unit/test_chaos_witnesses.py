"""The witnesses of tests/support/chaos see what they are to see, and a door that is cut off lets nothing through."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.support.chaos.http_proxy import Answer, Call, HttpProxy, Outage
from tests.support.chaos.queue_books import QueueBooks
from tests.support.misbehaving_server import MisbehavingServer, after, respond
from tests.support.polling import wait_until

URL = "http://127.0.0.1:1/000000000000/posts"
OK = respond("200 OK", b"{}", {"Content-Type": "application/json", "X-Kept": "yes"})


class Heard:
    """A Listener that remembers what it was told."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, bool]] = []

    def answered(self, call: Call, answer: Answer, *, lost: bool) -> None:
        self.answers.append((call.path, lost))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        yield session


def test_a_door_passes_calls_on_and_tells_of_them(heard: Heard, session: requests.Session) -> None:
    with MisbehavingServer(OK) as server, HttpProxy(server.url, heard) as door:
        for _ in range(2):
            response = session.post(f"{door.url}/a", data=b"x", headers={"X-Amz-Target": "AmazonSQS.SendMessage"})
            assert (response.status_code, response.text, response.headers["X-Kept"]) == (200, "{}", "yes")
    assert len(server.requests) == 2
    assert "X-Amz-Target: AmazonSQS.SendMessage" in server.requests[0]
    assert heard.answers == [("/a", False), ("/a", False)]


def test_a_closed_door_refuses_breaks_what_is_open_and_opens_at_the_same_place(
    heard: Heard, session: requests.Session
) -> None:
    with MisbehavingServer(OK) as server, HttpProxy(server.url, heard) as door:
        session.get(f"{door.url}/before")
        door.cut_off(Outage.REFUSED)
        for _ in range(2):
            with pytest.raises(requests.ConnectionError):
                session.get(f"{door.url}/during")
        door.restore()
        assert session.get(f"{door.url}/after").ok
    assert heard.answers == [("/before", False), ("/after", False)]


def test_a_silent_door_answers_nothing_and_what_came_meanwhile_never_arrives(
    heard: Heard, session: requests.Session
) -> None:
    with MisbehavingServer(OK) as server, HttpProxy(server.url, heard) as door:
        door.cut_off(Outage.SILENT)
        with pytest.raises(requests.ReadTimeout):
            session.get(f"{door.url}/during", timeout=0.2)
        door.restore()
        assert session.get(f"{door.url}/after").ok
    assert len(server.requests) == 1
    assert heard.answers == [("/after", False)]


@pytest.mark.parametrize("end_life", ["refused", "silent", "client died"])
def test_the_answer_to_a_call_that_was_under_way_is_lost_though_the_server_did_it(
    heard: Heard, session: requests.Session, end_life: str
) -> None:
    go_on = threading.Event()
    failures: list[Exception] = []

    def call(url: str) -> None:
        try:
            session.get(f"{url}/under-way")
        except requests.ConnectionError as error:
            failures.append(error)

    with MisbehavingServer(after(go_on, OK)) as server, HttpProxy(server.url, heard) as door:
        client = threading.Thread(target=call, args=(door.url,))
        client.start()
        server.wait_for_requests(1)
        if end_life == "client died":
            door.client_died()
        else:
            door.cut_off(Outage(end_life))
        go_on.set()
        wait_until(lambda: heard.answers, "the answer")
        if end_life == "silent":
            door.restore()
        client.join(10)
    assert heard.answers == [("/under-way", True)]
    assert len(failures) == 1


class Books:
    """QueueBooks, and calls with their answers as boto3 and SQS make them."""

    def __init__(self) -> None:
        self.books = QueueBooks()

    def hand_out(self, *messages: tuple[str, int], lost: bool = False) -> None:
        answer = [
            {
                "MessageId": id_,
                "ReceiptHandle": f"{id_}/{count}",
                "Body": json.dumps({"id": f"x:{id_}"}),
                "Attributes": {"ApproximateReceiveCount": str(count)},
            }
            for id_, count in messages
        ]
        self.call("ReceiveMessage", {"QueueUrl": URL}, {"Messages": answer}, lost=lost)

    def batch(self, operation: str, *receipts: str, failing: str = "", seconds: int | None = None) -> None:
        more = {} if seconds is None else {"VisibilityTimeout": seconds}
        entries = [{"Id": receipt, "ReceiptHandle": receipt, **more} for receipt in receipts]
        done = [{"Id": receipt} for receipt in receipts if receipt != failing]
        self.call(operation, {"QueueUrl": URL, "Entries": entries}, {"Successful": done})

    def call(self, operation: str, request: Any, answer: Any, status: int = 200, lost: bool = False) -> None:
        headers = {"X-Amz-Target": f"AmazonSQS.{operation}"}
        call = Call("POST", "/", headers, json.dumps(request).encode(), 0)
        self.books.answered(call, Answer(status, {}, json.dumps(answer).encode()), lost=lost)

    @property
    def in_hand(self) -> set[str]:
        return {hand_out.receipt for hand_out in self.books.in_hand()}


def test_a_message_is_in_hand_until_the_queue_says_that_it_is_deleted_or_visible() -> None:
    books = Books()
    books.hand_out(("a", 1), ("b", 1), ("c", 2), ("d", 1))
    books.batch("DeleteMessageBatch", "a/1", "b/1", failing="b/1")
    books.batch("ChangeMessageVisibilityBatch", "c/2", seconds=0)
    books.batch("ChangeMessageVisibilityBatch", "d/1", seconds=60)
    assert books.in_hand == {"b/1", "d/1"}
    assert [(one.queue_url, one.message_id, one.receive_count, one.content_id) for one in books.books.hand_outs()] == [
        (URL, "a", 1, "x:a"),
        (URL, "b", 1, "x:b"),
        (URL, "c", 2, "x:c"),
        (URL, "d", 1, "x:d"),
    ]
    assert [one.message_id for one in books.books.given_back()] == ["c"]


def test_what_the_queue_refuses_settles_nothing() -> None:
    books = Books()
    books.hand_out(("a", 1))
    entries = [{"Id": "0", "ReceiptHandle": "a/1"}]
    books.call("DeleteMessageBatch", {"QueueUrl": URL, "Entries": entries}, {"__type": "Throttled"}, status=400)
    assert books.in_hand == {"a/1"}


class Queue:
    """What an end of claims asks of SQS."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[str, int]]] = []

    def change_message_visibility_batch(self, *, QueueUrl: str, Entries: list[dict[str, Any]]) -> None:  # noqa: N803
        assert QueueUrl == URL
        self.batches.append([(entry["ReceiptHandle"], entry["VisibilityTimeout"]) for entry in Entries])


def test_the_claims_of_the_dead_are_ended_once_and_those_of_the_living_are_left() -> None:
    books, queue = Books(), Queue()
    books.hand_out(*((f"m{number}", 1) for number in range(11)))
    assert books.books.orphan_all() == 11
    books.hand_out(("lost", 1), lost=True)
    books.hand_out(("held", 1))
    books.books.end_claims_on_orphans(queue)
    books.books.end_claims_on_orphans(queue)
    ended = [entry for batch in queue.batches for entry in batch]
    assert sorted(ended) == sorted([*((f"m{number}/1", 0) for number in range(11)), ("lost/1", 0)])
    assert max(map(len, queue.batches)) <= 10
    assert books.in_hand == {"held/1"}
