"""`pipeline dead-letters` as a real process against an emulator of SQS."""

import json
import os
import pty
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from demo.stack import service_environment
from tests.support.chaos.seed import seeded
from tests.support.dead_letters_process import SECONDS, Pair, attributes_of, bodies_of, numbered, run, started
from tests.support.emulator import Emulator
from tests.support.polling import wait_until

Environment = dict[str, str]


@pytest.fixture
def environment(emulator: Emulator, stack: dict[str, str]) -> Environment:
    """What a service's container has: its region, its endpoint, its queues."""
    return emulator.environment | service_environment(stack)


@pytest.fixture
def posts(emulator: Emulator, stack: dict[str, str]) -> Pair:
    return Pair(emulator.url, stack["PostsQueueUrl"], stack["PostsDeadLetterQueueUrl"])


def test_list_show_redrive_and_purge(environment: Environment, posts: Pair) -> None:
    posts.put_dead(numbered("odd", 12), reason="not a post: odd", trace_id="trace-1")
    posts.put_dead(numbered("long", 3), reason="refused by the model: long")
    listed = run(environment, "list", "posts")
    assert (listed.code, listed.err) == (0, "")
    assert listed.out.splitlines()[0] == f"posts: 15 dead letters in {posts.dead_letters_url.rpartition('/')[2]}"
    assert "     12  classifier  not a post: …  (one is " in listed.out

    (queue,) = json.loads(run(environment, "list", "posts", "--json").out)["queues"]
    example = next(each["example"] for each in queue["reasons"] if each["reason"] == "not a post: …")
    shown = run(environment, "show", "posts", example)
    assert shown.code == 0
    assert "trace id        trace-1\n" in shown.out

    redriven = run(environment, "redrive", "posts", "--yes", "--reason", "not a post", "--rate", "unlimited")
    assert (redriven.code, redriven.err) == (0, "")
    assert redriven.out.startswith("redriven 12 of 12 chosen, of 15 looked at")
    gone_back = posts.drained(posts.queue_url)
    assert bodies_of(gone_back) == dict.fromkeys(numbered("odd", 12), 1)
    assert {frozenset(attributes_of(message).items()) for message in gone_back} == {
        frozenset({"trace_id": "trace-1", "redriven": "1"}.items())
    }

    purged = run(environment, "purge", "posts", "--yes", "--service", "classifier", "--limit", "1")
    assert purged.out.startswith("deleted 1 of 1 chosen")
    assert posts.visible_dead() == 2
    assert run(environment, "purge", "posts", "--yes").code == 0
    assert posts.count(posts.dead_letters_url) == (0, 0)


def test_all_queues_by_the_environments_name(emulator: Emulator, posts: Pair) -> None:
    posts.put_dead(numbered("odd", 2), reason="not a post: odd")
    environment_name = posts.queue_url.rpartition("/")[2].split("-")[2]
    done = run(emulator.environment, "list", "--env", environment_name)
    assert done.code == 0
    assert [line.split(":")[0] for line in done.out.splitlines() if "dead letters in" in line] == [
        "posts",
        "alerts",
        "deliveries",
    ]
    assert "posts: 2 dead letters in" in done.out


def test_a_server_without_move_tasks(environment: Environment, posts: Pair) -> None:
    posts.put_dead(numbered("odd", 25), reason="not a post: odd")
    done = run(environment, "redrive", "posts", "--yes", "--by-server", "--rate", "unlimited")
    assert done.code == 0
    assert done.err == "this server has no StartMessageMoveTask (InvalidAction): moving batch by batch instead\n"
    assert bodies_of(posts.drained(posts.queue_url)) == dict.fromkeys(numbered("odd", 25), 1)


@pytest.mark.parametrize(
    ("changes", "arguments", "code", "said"),
    [
        ({}, "lst", 2, "pipeline: argument COMMAND: invalid choice: 'lst'"),
        (
            {},
            "list --env nowhere",
            2,
            "pipeline: queue tweet-alerts-nowhere-posts-dlq: expected a queue of this",
        ),
        ({}, "redrive posts", 2, "pipeline: --yes: expected it where standard input is no terminal"),
        ({}, "show posts nobody", 2, "pipeline: queue "),
        ({"AWS_REGION": ""}, "list", 2, "pipeline: environment: AWS_REGION: expected a region such as us-east-1"),
        ({"AWS_PROFILE": "nobody"}, "list", 2, "pipeline: environment: AWS_REGION, AWS_ENDPOINT_URL_*, AWS_PROFILE: "),
        (
            {"AWS_ACCESS_KEY_ID": "", "AWS_EC2_METADATA_DISABLED": "true"},
            "list posts",
            2,
            "pipeline: queue ",
        ),
        ({"AWS_ENDPOINT_URL_SQS": "http://127.0.0.1:9"}, "list posts", 1, "pipeline: queue "),
        (
            {"POSTS_QUEUE_URL": "posts"},
            "list posts",
            2,
            "pipeline: environment: POSTS_QUEUE_URL: expected a URL",
        ),
    ],
    ids=["command", "queue", "nobody to ask", "id", "region", "profile", "credentials", "endpoint", "URL"],
)
def test_what_is_wrong_is_one_line(
    environment: Environment, changes: Environment, arguments: str, code: int, said: str
) -> None:
    done = run(environment | changes, *arguments.split())
    assert done.code == code, done.err
    assert done.out == ""
    (line,) = done.err.splitlines()
    assert line.startswith(said)


def test_a_reader_that_has_seen_enough_is_no_error(environment: Environment, posts: Pair) -> None:
    posts.put_dead(["x" * 100_000] * 3, reason="not a post: odd")
    with started(environment, "show", "posts", "--first", "3") as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith("message ")
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(SECONDS) == 1


def test_on_a_terminal_it_asks_and_shows_a_bar(environment: Environment, posts: Pair) -> None:
    posts.put_dead(numbered("odd", 60), reason="not a post: odd")
    with on_a_terminal(environment, "redrive", "posts", "--rate", "30/s") as (process, terminal):
        assert "all messages, about 60, of" in read_until(terminal, "[y/N] ")
        os.write(terminal, b"y\n")
        said = read_until(terminal, None)
        assert process.stdout
        assert process.stdout.read().startswith("redriven 60 of 60 chosen")
        assert process.wait(SECONDS) == 0
    assert "/60" in said
    assert "redriven 40" in said


def test_ctrl_c_at_the_question(environment: Environment, posts: Pair) -> None:
    posts.put_dead(numbered("odd", 5), reason="not a post: odd")
    with on_a_terminal(environment, "redrive", "posts") as (process, terminal):
        read_until(terminal, "[y/N] ")
        process.send_signal(signal.SIGINT)
        assert read_until(terminal, None).splitlines()[-1] == "pipeline: stopped"
        assert process.wait(SECONDS) == 130
    assert posts.visible_dead() == 5


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_with_each_message_in_one_place(
    environment: Environment, posts: Pair, number: int, code: int
) -> None:
    odd, long = numbered("odd", 200), numbered("long", 200)
    posts.put_dead(long, reason="refused by the model: long")
    posts.put_dead(odd, reason="not a post: odd")
    arguments = ("redrive", "posts", "--yes", "--reason", "not a post", "--rate", "50/s")
    with started(environment, *arguments) as process:
        wait_until(lambda: posts.count(posts.queue_url)[0] >= 20, "the redrive to have begun", SECONDS)
        process.send_signal(number)
        out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == code, err
    # all that was looked at and not redriven is visible again at once
    dead, back = bodies_of(posts.drained(posts.dead_letters_url)), bodies_of(posts.drained(posts.queue_url))
    assert dead + back == dict.fromkeys([*odd, *long], 1)
    assert 20 <= back.total() < 200
    assert not back.keys() & set(long)
    assert out.startswith(f"redriven {back.total()} of ")
    assert "stopped: what was not redriven is still in the dead letters" in err


def test_two_thousand_by_a_filter_each_exactly_once(environment: Environment, posts: Pair) -> None:
    bodies = numbered("body", 2000)
    chosen = set(bodies[::2])
    for start in range(0, 2000, 100):
        some = bodies[start : start + 100]
        posts.put_dead([body for body in some if body in chosen], reason="channel desk: HTTP 503")
        posts.put_dead([body for body in some if body not in chosen], reason="channel desk: HTTP 404")
    done = run(environment, "redrive", "posts", "--yes", "--reason", "http 503", "--rate", "unlimited")
    assert done.code == 0, done.err
    assert done.out.startswith("redriven 1,000 of 1,000 chosen, of 2,000 looked at")
    assert bodies_of(posts.drained(posts.queue_url)) == dict.fromkeys(chosen, 1)
    # nothing of the rest is hidden
    assert bodies_of(posts.drained(posts.dead_letters_url)) == dict.fromkeys(set(bodies) - chosen, 1)


def test_nothing_is_lost_when_it_is_killed_at_any_moment_and_run_again(
    environment: Environment, posts: Pair, request: pytest.FixtureRequest
) -> None:
    rng = seeded(request, default=5)
    bodies = numbered("body", 2000)
    chosen = set(bodies[:1000])
    for start in range(0, 1000, 100):
        posts.put_dead(bodies[start : start + 100], reason="channel desk: HTTP 503")
        posts.put_dead(bodies[1000 + start : 1100 + start], reason="channel desk: HTTP 404")
    arguments = ("redrive", "posts", "--yes", "--reason", "http 503", "--rate", "unlimited")
    kills = 0
    for _ in range(3):
        already = posts.count(posts.queue_url)[0]
        with started(environment, *arguments, "--visibility", "5") as process:
            while posts.count(posts.queue_url)[0] == already and process.poll() is None:
                time.sleep(0.01)
            time.sleep(rng.uniform(0, 0.3))  # the moment, not a wait for anything
            process.kill()
            process.communicate()
        kills += process.returncode == -signal.SIGKILL
        wait_until(lambda: posts.count(posts.dead_letters_url)[1] == 0, "what was hidden to be visible", SECONDS)
    assert kills
    last = run(environment, *arguments)
    assert last.code == 0, last.err
    back = bodies_of(posts.drained(posts.queue_url))
    assert back.keys() == chosen
    # a kill between sending and deleting repeats one batch at most
    assert back.total() - len(chosen) <= 10 * kills
    assert bodies_of(posts.drained(posts.dead_letters_url)) == dict.fromkeys(bodies[1000:], 1)


@contextmanager
def on_a_terminal(environment: Environment, *arguments: str) -> "Iterator[tuple[subprocess.Popen[str], int]]":
    """The command, and the user's end of its terminal, which takes input and shows standard error."""
    terminal, its_end = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    try:
        with started(environment, *arguments, stdin=its_end, stderr=its_end) as process:
            os.close(its_end)
            yield process, terminal
    finally:
        os.close(terminal)


def read_until(terminal: int, what: str | None) -> str:
    """What comes out of a terminal, up to and with ``what``, or to its end."""
    said = b""
    deadline = time.monotonic() + SECONDS
    while what is None or not said.decode(errors="replace").endswith(what):
        assert select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0], said
        try:
            more = os.read(terminal, 65536)
        except OSError:  # Linux's way to say that the other end is closed
            more = b""
        if not more:
            assert what is None, said
            break
        said += more
    return said.decode(errors="replace")
