"""`pipeline dead-letters redrive --by-server` against LocalStack, which has SQS' move tasks."""

import json
import signal
import subprocess
import uuid
from collections.abc import Iterator

import pytest
import requests

from demo.stack import REGION
from tests.support.dead_letters_process import SECONDS, Pair, attributes_of, bodies_of, numbered, run, started
from tests.support.docker_engine import require_docker
from tests.support.polling import wait_until

IMAGE = "localstack/localstack:4.14.0"
START_SECONDS = 180.0


@pytest.fixture(scope="module")
def localstack() -> Iterator[str]:
    """The URL of a LocalStack of its own."""
    require_docker(IMAGE)
    name = f"dead-letters-{uuid.uuid4().hex[:8]}"
    settings = [f"--env={each}" for each in ("SERVICES=sqs", "DISABLE_EVENTS=1", "SKIP_SSL_CERT_DOWNLOAD=1")]
    subprocess.run(
        ["docker", "run", "--detach", "--name", name, "--publish=127.0.0.1::4566", *settings, IMAGE],
        check=True,
        capture_output=True,
        timeout=SECONDS,
    )
    try:
        port = subprocess.run(
            ["docker", "port", name, "4566"], check=True, capture_output=True, text=True, timeout=SECONDS
        ).stdout.rpartition(":")[2]
        url = f"http://127.0.0.1:{port.strip()}"
        wait_until(lambda: answers(url), "LocalStack", START_SECONDS)
        yield url
    finally:
        subprocess.run(
            ["docker", "rm", "--force", "--volumes", name], capture_output=True, check=False, timeout=SECONDS
        )


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/_localstack/health", timeout=2, proxies={"http": ""}).ok
    except requests.RequestException:
        return False


@pytest.fixture
def prefix() -> str:
    return f"test-{uuid.uuid4().hex[:8]}-"


@pytest.fixture
def posts(localstack: str, prefix: str) -> Pair:
    pair = Pair(localstack, "", "")
    pair.dead_letters_url = pair.sqs.create_queue(QueueName=f"{prefix}posts-dlq")["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:000000000000:{prefix}posts-dlq"
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 100})
    pair.queue_url = pair.sqs.create_queue(QueueName=f"{prefix}posts", Attributes={"RedrivePolicy": policy})["QueueUrl"]
    return pair


@pytest.fixture
def environment(localstack: str) -> dict[str, str]:
    return {
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL_SQS": localstack,
        "NO_PROXY": "127.0.0.1",
    }


def test_sqs_moves_all_by_itself(environment: dict[str, str], posts: Pair, prefix: str) -> None:
    bodies = numbered("odd", 60)
    posts.put_dead(bodies, reason="not a post: odd")
    done = run(environment, "redrive", "posts", "--prefix", prefix, "--yes", "--by-server", "--rate", "unlimited")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"moved about 60 of about 60 from {prefix}posts-dlq to {prefix}posts: completed\n"
    back = posts.drained(posts.queue_url)
    assert bodies_of(back) == dict.fromkeys(bodies, 1)
    # SQS leaves attributes as they are, which is why it is not what a redrive does by itself
    assert {attributes_of(message)["reason"] for message in back} == {"not a post: odd"}
    assert posts.count(posts.dead_letters_url) == (0, 0)


def test_ctrl_c_cancels_the_move(environment: dict[str, str], posts: Pair, prefix: str) -> None:
    bodies = numbered("odd", 200)
    posts.put_dead(bodies, reason="not a post: odd")
    arguments = ("redrive", "posts", "--prefix", prefix, "--yes", "--by-server", "--rate", "5/s")
    with started(environment, *arguments) as process:
        wait_until(lambda: posts.count(posts.queue_url)[0] >= 5, "the move to have begun", SECONDS)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 130, err
    assert out.endswith(": cancelled\n")
    (task,) = posts.sqs.list_message_move_tasks(
        SourceArn=f"arn:aws:sqs:{REGION}:000000000000:{prefix}posts-dlq", MaxResults=10
    )["Results"]
    assert task["Status"] == "CANCELLED"
    back, dead = bodies_of(posts.drained(posts.queue_url)), bodies_of(posts.drained(posts.dead_letters_url))
    assert 5 <= back.total() < 200
    assert back + dead == dict.fromkeys(bodies, 1)


def test_a_move_that_was_left_alone_is_followed(environment: dict[str, str], posts: Pair, prefix: str) -> None:
    bodies = numbered("odd", 40)
    posts.put_dead(bodies, reason="not a post: odd")
    arguments = ("redrive", "posts", "--prefix", prefix, "--yes", "--by-server", "--rate", "10/s")
    with started(environment, *arguments) as process:
        wait_until(lambda: posts.count(posts.queue_url)[0] >= 5, "the move to have begun", SECONDS)
        process.kill()
    done = run(environment, *arguments)
    assert done.code == 0, done.err
    assert done.err == "SQS is moving this queue already: following that (Ctrl-C cancels it)\n"
    assert done.out == f"moved about 40 of about 40 from {prefix}posts-dlq to {prefix}posts: completed\n"
    assert bodies_of(posts.drained(posts.queue_url)) == dict.fromkeys(bodies, 1)


def test_batches_list_and_show_work_there_too(environment: dict[str, str], posts: Pair, prefix: str) -> None:
    odd, long = numbered("odd", 25), numbered("long", 15)
    posts.put_dead(odd, reason="not a post: odd")
    posts.put_dead(long, reason="refused by the model: long")
    listed = run(environment, "list", "posts", "--prefix", prefix)
    assert listed.out.startswith(f"posts: 40 dead letters in {prefix}posts-dlq\n"), listed.err
    arguments = ("redrive", "posts", "--prefix", prefix, "--yes", "--reason", "not a post", "--rate", "unlimited")
    done = run(environment, *arguments)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("redriven 25 of 25 chosen, of 40 looked at")
    assert bodies_of(posts.drained(posts.queue_url)) == dict.fromkeys(odd, 1)
    assert bodies_of(posts.drained(posts.dead_letters_url)) == dict.fromkeys(long, 1)
