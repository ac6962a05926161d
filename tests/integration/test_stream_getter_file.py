"""The command with the source file: everything arrives and it ends by itself, also when the queue is slow or away."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipeline.contracts import Post, decode_post
from tests.support.emulator import Emulator, running_emulator
from tests.support.polling import wait_until
from tests.support.service_process import Variables, free_port, running_services, variables_for

SAMPLES = [Path(__file__).parents[2] / f"samples/posts_{half}.jsonl" for half in ("dev", "test")]
SOON = 60.0


def variables(queues: str, posts_queue: str, **own: str) -> Variables:
    return {**variables_for("stream-getter", queues, ""), "POSTS_QUEUE_URL": posts_queue, "SOURCE": "file", **own}


def all_in(emulator: Emulator, url: str) -> list[Post]:
    sqs = emulator.client("sqs")
    posts: list[Post] = []
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        posts += [decode_post(message["Body"]) for message in messages]
        entries = [{"Id": str(i), "ReceiptHandle": each["ReceiptHandle"]} for i, each in enumerate(messages)]
        sqs.delete_message_batch(QueueUrl=url, Entries=entries)
    return posts


def logged(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """What it logged, once it has ended with 0 by itself."""
    _, stderr = process.communicate(timeout=SOON)
    assert process.returncode == 0, stderr
    return [json.loads(line) for line in stderr.splitlines()]


def sample_ids() -> list[str]:
    return [
        f"x:{json.loads(line)['post']['data']['id']}" for path in SAMPLES for line in path.read_bytes().splitlines()
    ]


def test_a_replay_arrives_whole_and_the_service_ends_with_0(
    emulator: Emulator, stack: dict[str, str], tmp_path: Path
) -> None:
    paths = " ".join(map(str, SAMPLES))
    url = stack["PostsQueueUrl"]
    with running_services(tmp_path) as run:
        log = logged(run("stream-getter", variables(emulator.url, url, FILE_PATH=paths, FILE_RUN_ID="r1")))
        posts = all_in(emulator, url)
        # the same again is no repeat, unless that is asked for
        logged(run("stream-getter", variables(emulator.url, url, FILE_PATH=f"{paths} {paths}", FILE_KEEP_IDS="yes")))
        again = all_in(emulator, url)
    assert Counter(post.id for post in posts) == Counter(f"file:r1:{id_}" for id_ in sample_ids())
    assert Counter(post.id for post in again) == Counter(sample_ids())
    (told,) = (line for line in log if line["event"] == "replayed")
    assert (told["posts"], told["lines_refused"], told["unsettled"], told["to_the_end"]) == (160, 0, 0, True)
    assert posts[0].text not in json.dumps(log)


@pytest.mark.parametrize("signalled", [False, True], ids=["to its end", "until SIGTERM"])
def test_standard_input_is_read(emulator: Emulator, stack: dict[str, str], tmp_path: Path, signalled: bool) -> None:
    url = stack["PostsQueueUrl"]
    process = subprocess.Popen(
        [sys.executable, "-m", "stream_getter"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        | variables(emulator.url, url, FILE_PATH="-"),
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdin
        process.stdin.write(SAMPLES[0].read_bytes())
        process.stdin.flush()
        posts: list[Post] = []

        def have_come() -> bool:
            posts.extend(all_in(emulator, url))
            return len(posts) == 80

        wait_until(have_come, "the posts", SOON)
        assert process.poll() is None
        if signalled:
            process.terminate()  # while it waits for somebody who writes nothing
            assert process.wait(SOON) == 0
        else:
            process.stdin.close()
            assert process.wait(SOON) == 0
    finally:
        process.kill()
        if process.stdin:
            process.stdin.close()
            process.stdin = None  # or communicate would flush it
        process.communicate()


def test_a_queue_that_is_away_at_the_end_is_waited_for(tmp_path: Path) -> None:
    port = free_port()
    queues = f"http://127.0.0.1:{port}"
    with running_services(tmp_path) as run:
        url = f"{queues}/000000000000/posts"
        process = run("stream-getter", variables(queues, url, FILE_PATH=str(SAMPLES[0])))
        # all is read at once, and nothing of it can be sent; the drain alone would give up after some 20 s
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(5.0)
        with running_emulator(tmp_path / "emulator.txt", port) as emulator:
            emulator.client("sqs").create_queue(QueueName="posts")
            logged(process)
            assert len(all_in(emulator, url)) == 80


def test_a_file_that_is_not_there_is_a_mistake_of_one_line(tmp_path: Path) -> None:
    queues = "http://127.0.0.1:9"
    with running_services(tmp_path) as run:
        process = run("stream-getter", variables(queues, f"{queues}/000000000000/posts", FILE_PATH="nowhere.jsonl"))
        _, stderr = process.communicate(timeout=SOON)
    assert process.returncode == 2
    assert stderr.splitlines()[-1] == (
        "stream-getter: environment: FILE_PATH: expected readable files, or - for standard input, "
        "got 'nowhere.jsonl' (No such file or directory)"
    )
