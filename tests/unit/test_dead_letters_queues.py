"""Which queue is meant: the services' variables, a prefix, or the local system's names."""

import pytest

from pipeline.errors import Unavailable, UserMistake
from tests.support.dead_letter_desk import POSTS, POSTS_DEAD, URLS, Desk
from tests.support.strict_sqs.faults import ACCESS_DENIED, INTERNAL_ERROR, SERVICE_UNAVAILABLE, THROTTLING, Fault

BOTH = {"POSTS_QUEUE_URL": URLS + POSTS, "POSTS_DEAD_LETTER_QUEUE_URL": URLS + POSTS_DEAD}


def test_without_a_word_they_are_those_of_the_local_system() -> None:
    desk = Desk()
    assert desk.run("list") == 0
    assert desk.out.splitlines() == [
        "posts: 0 dead letters in tweet-alerts-local-posts-dlq",
        "alerts: 0 dead letters in tweet-alerts-local-alerts-dlq",
        "deliveries: 0 dead letters in tweet-alerts-local-deliveries-dlq",
    ]


def test_the_services_variables_name_queues_and_those_without_one_are_not_listed() -> None:
    desk = Desk(environ={"POSTS_QUEUE_URL": f"{URLS}a", "POSTS_DEAD_LETTER_QUEUE_URL": f"{URLS}a-dlq"})
    desk.make_queues("a")
    assert desk.run("list") == 0
    assert desk.out == "posts: 0 dead letters in a-dlq\n"
    assert not desk.sqs.calls.requests("GetQueueUrl")


def test_a_prefix_that_is_given_leaves_the_environment_aside() -> None:
    desk = Desk(environ=BOTH)
    for name in ("posts", "alerts", "deliveries"):
        desk.make_queues(f"tweet-alerts-test-{name}")
    assert desk.run("list", "--env", "test") == 0
    assert desk.out.startswith("posts: 0 dead letters in tweet-alerts-test-posts-dlq\nalerts: ")


@pytest.mark.parametrize(
    ("environ", "command", "told"),
    [
        (
            {},
            "list posts --env nowhere",
            "queue tweet-alerts-nowhere-posts-dlq: expected a queue of this name in region us-east-1"
            " (--env, --prefix or the services' variables name others), got none",
        ),
        (
            {"POSTS_DEAD_LETTER_QUEUE_URL": f"{URLS}gone"},
            "list posts",
            "environment: POSTS_DEAD_LETTER_QUEUE_URL: expected the URL of a queue that exists,"
            " got 'http://sqs.test/000000000000/gone'",
        ),
        (
            {"POSTS_DEAD_LETTER_QUEUE_URL": "gone"},
            "list posts",
            "environment: POSTS_DEAD_LETTER_QUEUE_URL: expected a URL such as ",
        ),
        (
            {"POSTS_DEAD_LETTER_QUEUE_URL": URLS + POSTS_DEAD},
            "redrive posts --yes",
            "environment: POSTS_QUEUE_URL: expected the URL of the queue that belongs to POSTS_DEAD_LETTER_QUEUE_URL"
            " (or --env or --prefix, which leave the environment aside), got nothing",
        ),
        (
            {"POSTS_QUEUE_URL": URLS + POSTS},
            "list posts",
            "environment: POSTS_DEAD_LETTER_QUEUE_URL: expected the URL of the queue that belongs to POSTS_QUEUE_URL",
        ),
    ],
    ids=["no such name", "no such URL", "no URL", "half a pair", "the other half"],
)
def test_a_mistake(environ: dict[str, str], command: str, told: str) -> None:
    with pytest.raises(UserMistake) as mistake:
        Desk(environ=environ).run(*command.split())
    assert str(mistake.value).startswith(told)


def test_nothing_goes_back_to_a_queue_with_other_dead_letters() -> None:
    desk = Desk(environ={"POSTS_QUEUE_URL": f"{URLS}a", "POSTS_DEAD_LETTER_QUEUE_URL": URLS + POSTS_DEAD})
    desk.make_queues("a")
    desk.put(3)
    with pytest.raises(
        UserMistake, match=r"^queue a: expected that its redrive policy names \S+posts-dlq, got \S+a-dlq$"
    ):
        desk.run("redrive", "posts", "--yes")
    assert len(desk.dead_letters()) == 3
    assert not desk.sqs.bodies("a")


def test_a_queue_without_a_redrive_policy_is_taken_at_its_name() -> None:
    desk = Desk()
    for name in ("mine-posts-dlq", "mine-posts"):
        desk.sqs.make_queue(name)
    assert desk.run("redrive", "posts", "--yes", "--prefix", "mine-") == 0


@pytest.mark.parametrize(
    ("fault", "kind"), [(ACCESS_DENIED, UserMistake), (INTERNAL_ERROR, Unavailable)], ids=["denied", "down"]
)
def test_what_aws_refuses_is_the_users_and_what_it_cannot_do_may_pass(fault: Fault, kind: type[Exception]) -> None:
    desk = Desk()
    desk.sqs.faults.on("GetQueueAttributes", fault, times=None)
    with pytest.raises(kind, match=r"^queue tweet-alerts-local-posts-dlq: expected an answer of SQS, got: "):
        desk.run("list", "posts")


def test_trouble_of_a_few_seconds_passes_unnoticed() -> None:
    desk = Desk()
    desk.sqs.faults.on("GetQueueUrl", SERVICE_UNAVAILABLE)
    desk.sqs.faults.on("GetQueueUrl", THROTTLING)
    assert desk.run("list", "posts") == 0
    assert len(desk.sqs.calls.requests("GetQueueUrl")) == 3
    assert desk.waited
