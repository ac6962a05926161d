"""`dead-letters redrive --by-server`: SQS moves the queue by itself."""

from typing import Any

import pytest

from pipeline.errors import Unavailable, UserMistake
from tests.support.dead_letter_desk import POSTS, POSTS_DEAD, URLS, Desk
from tests.support.strict_sqs.faults import INTERNAL_ERROR, LosesAnswer, Refuses

BY_SERVER = ("redrive", "posts", "--yes", "--by-server")
ARN = f"arn:aws:sqs:us-east-1:000000000000:{POSTS_DEAD}"


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_all_go_back_at_the_rate_of_any_redrive(desk: Desk) -> None:
    bodies = desk.put(100)
    start = desk.clock()
    assert desk.run(*BY_SERVER) == 0
    assert desk.posts() == sorted(bodies)
    assert 4 <= desk.clock() - start <= 8
    assert desk.out == (
        "moved about 100 of about 100 from tweet-alerts-local-posts-dlq to tweet-alerts-local-posts: completed\n"
    )
    assert not desk.sqs.calls.requests("ReceiveMessage")
    (request,) = desk.sqs.calls.requests("StartMessageMoveTask")
    # a message that a service gave up has no source that SQS would know
    assert request["DestinationArn"].endswith(f":{POSTS}")
    assert request["MaxNumberOfMessagesPerSecond"] == 20


def test_as_fast_as_sqs_will(desk: Desk) -> None:
    desk.put(10)
    assert desk.run(*BY_SERVER, "--rate", "unlimited") == 0
    (request,) = desk.sqs.calls.requests("StartMessageMoveTask")
    assert "MaxNumberOfMessagesPerSecond" not in request


def test_an_earlier_task_is_not_taken_for_this_one(desk: Desk) -> None:
    """The list of SQS may lag behind: at first it still ends with the task before."""
    desk.put(3)
    assert desk.run(*BY_SERVER) == 0
    desk.put(40)
    looks = []
    real = desk.sqs.client.list_message_move_tasks
    old = real(SourceArn=ARN, MaxResults=1)

    def lagging(**request: Any) -> Any:
        looks.append(request)
        return old if len(looks) <= 5 else real(**request)

    desk.sqs.client.list_message_move_tasks = lagging  # type: ignore[method-assign]
    assert desk.run(*BY_SERVER) == 0
    assert desk.out.splitlines()[-1].startswith("moved about 40 of about 40 ")


def test_a_task_that_never_shows_is_told(desk: Desk) -> None:
    desk.put(3)
    nothing: Any = {"Results": []}
    desk.sqs.client.list_message_move_tasks = lambda **_request: nothing  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="expected to hear how the move task ends, got nothing"):
        desk.run(*BY_SERVER)


def test_ctrl_c_cancels_it(desk: Desk) -> None:
    bodies = desk.put(200)

    def interrupt(method: str) -> None:
        if method == "list_message_move_tasks" and len(desk.posts()) >= 50 and not desk.interruption.stopped:
            desk.interruption.signalled(2)

    desk.after = interrupt
    assert desk.run(*BY_SERVER) == 130
    moved = len(desk.posts())
    assert 50 <= moved < 200
    desk.clock.advance(60)
    assert len(desk.posts()) == moved
    assert sorted([*desk.posts(), *desk.dead_letters()]) == sorted(bodies)
    assert desk.out.startswith(f"moved about {moved} of about 200 from ")
    assert desk.out.endswith(": cancelled\n")


def test_ctrl_c_at_its_end_is_no_trouble(desk: Desk) -> None:
    desk.put(20)

    def interrupt(method: str) -> None:
        if method == "list_message_move_tasks" and desk.posts() and not desk.interruption.stopped:
            desk.clock.advance(60)
            desk.interruption.signalled(2)

    desk.after = interrupt
    assert desk.run(*BY_SERVER, "--rate", "1/s") == 130
    assert len(desk.posts()) == 20
    assert desk.out.endswith(": completed\n")


def test_a_second_ctrl_c_says_that_sqs_goes_on(desk: Desk) -> None:
    desk.put(200)

    def interrupt(method: str) -> None:
        if method == "list_message_move_tasks" and desk.posts():
            desk.interruption.signalled(2)
            desk.interruption.signalled(2)

    desk.after = interrupt
    with pytest.raises(KeyboardInterrupt):
        desk.run(*BY_SERVER)
    assert "SQS may still be moving messages: run the same command again to follow or cancel it" in desk.err


def test_one_that_is_under_way_is_followed(desk: Desk) -> None:
    bodies = desk.put(60)
    desk.sqs.faults.on("StartMessageMoveTask", LosesAnswer())
    with pytest.raises(Unavailable, match=r"^moving tweet-alerts-local-posts-dlq to tweet-alerts-local-posts: "):
        desk.run(*BY_SERVER)
    desk.clock.advance(1)
    assert desk.run(*BY_SERVER) == 0
    assert desk.err == "SQS is moving this queue already: following that (Ctrl-C cancels it)\n"
    assert len(desk.sqs.calls.requests("StartMessageMoveTask")) == 1
    assert desk.posts() == sorted(bodies)
    assert desk.out.startswith("moved about 60 of about 60 ")


def test_one_that_fails_is_told(desk: Desk) -> None:
    desk.put(60)
    desk.after = lambda method: desk.sqs.client.delete_queue(QueueUrl=URLS + POSTS) if _started(desk, method) else None
    with pytest.raises(Unavailable, match="the move task has failed: "):
        desk.run(*BY_SERVER)
    assert desk.out.endswith(": failed\n")


def _started(desk: Desk, method: str) -> bool:
    return method == "start_message_move_task" and POSTS in desk.sqs.broker.registry.names()


@pytest.mark.parametrize(
    "answer",
    [
        Refuses("InvalidAction", "The action ListMessageMoveTasks is not valid for this endpoint.", 400),
        Refuses("UnknownOperationException", "", 404),
        Refuses("InternalFailure", "not implemented", 501),
    ],
    ids=["MiniStack", "AWS", "LocalStack"],
)
def test_a_server_without_it_has_its_messages_moved_in_batches(desk: Desk, answer: Refuses) -> None:
    bodies = desk.put(20)
    desk.sqs.faults.on("ListMessageMoveTasks", answer, times=None)
    assert desk.run(*BY_SERVER) == 0
    assert desk.posts() == sorted(bodies)
    (line,) = desk.err.splitlines()
    assert line == f"this server has no StartMessageMoveTask ({answer.shape}): moving batch by batch instead"
    assert desk.out.startswith("redriven 20 of 20 chosen")


def test_what_aws_refuses_is_one_line(desk: Desk) -> None:
    desk.sqs.faults.on("StartMessageMoveTask", Refuses("AccessDeniedException", "not yours", 403))
    with pytest.raises(UserMistake, match=r"expected an answer of SQS, got: AccessDenied(Exception)?: not yours$"):
        desk.run(*BY_SERVER)


def test_trouble_in_passing_while_it_is_followed(desk: Desk) -> None:
    desk.put(100)
    desk.sqs.faults.on("ListMessageMoveTasks", INTERNAL_ERROR, times=2, skip=2)
    assert desk.run(*BY_SERVER) == 0
    assert len(desk.posts()) == 100


def test_for_very_many_it_is_recommended() -> None:
    desk = Desk(answer="y")
    desk.put(3)
    real = desk.sqs.client.get_queue_attributes

    def many(**request: Any) -> Any:
        answer = real(**request)
        return answer | {"Attributes": answer["Attributes"] | {"ApproximateNumberOfMessages": "20001"}}

    desk.sqs.client.get_queue_attributes = many  # type: ignore[method-assign]
    assert desk.run("redrive", "posts", "--yes", "--rate", "unlimited") == 0
    assert desk.err == "for so many --by-server is faster: SQS moves them by itself, at up to 500 a second\n"
