"""Fail, redrive, fail again, redrive, mend the cause, redrive: with the real classifier, and nothing is lost."""

import json
from pathlib import Path

import pytest

from demo.stack import service_environment
from pipeline.contracts import encode
from pipeline.sqs_rules import string_attributes
from tests.support.dead_letters_process import SECONDS, Pair, attributes_of, bodies_of, numbered, run
from tests.support.emulator import Emulator
from tests.support.endpoint_stand_in import Call, EndpointStandIn, Failure, model_error
from tests.support.examples import a_post
from tests.support.polling import wait_until
from tests.support.service_process import CONFIG, log_after_sigterm, running_services, variables_for

NOT_YET = "the model cannot read this yet"


def refuses_some(call: Call) -> Failure | None:
    """As a model that fails for certain texts."""
    return model_error(400) if any(NOT_YET in text for text in call.texts) else None


def test_messages_that_fail_again_and_again_are_redriven_until_they_succeed(
    emulator: Emulator, stack: dict[str, str], tmp_path: Path
) -> None:
    posts = Pair(emulator.url, stack["PostsQueueUrl"], stack["PostsDeadLetterQueueUrl"])
    environment = emulator.environment | service_environment(stack)
    poison = numbered("no post", 20)
    unread = {f"x:{number}": encode(a_post(f"x:{number}", text=f"{NOT_YET} {number}")) for number in range(10)}
    everything = dict.fromkeys([*poison, *unread.values()], 1)
    config = tmp_path / "alerts.yaml"
    config.write_text(CONFIG)

    def all_given_up() -> bool:
        return posts.count(posts.queue_url) == (0, 0) and posts.count(posts.dead_letters_url) == (len(everything), 0)

    with EndpointStandIn(refuses_some) as endpoint, running_services(tmp_path) as start:
        variables = variables_for("classifier", emulator.url, config, endpoint.url) | environment
        classifier = start("classifier", variables)
        for number, body in enumerate(everything):
            posts.sqs.send_message(
                QueueUrl=posts.queue_url,
                MessageBody=body,
                MessageAttributes=string_attributes({"trace_id": f"trace-{number}"}),
            )
        for times in (1, 2):
            wait_until(all_given_up, "the classifier to give up all messages", SECONDS)
            redriven = run(environment, "redrive", "posts", "--yes", "--rate", "unlimited")
            assert (redriven.code, redriven.err) == (0, "")
            # none of those that fail again meanwhile is sent a second time
            assert redriven.out.startswith("redriven 30 of 30 chosen"), times
        wait_until(all_given_up, "the classifier to give up all messages", SECONDS)
        (shown,) = json.loads(run(environment, "show", "posts", "--first", "1", "--json").out)["messages"]
        assert shown["redriven"] == 2
        assert shown["attributes"].keys() == {"reason", "service", "source_message_id", "trace_id", "redriven"}
        (queue,) = json.loads(run(environment, "list", "posts", "--json").out)["queues"]
        assert {each["reason"]: each["count"] for each in queue["reasons"]} == {
            "not a post: …": 20,
            "refused by the model: …": 10,
        }

        endpoint.behave = lambda _call: None
        mended = run(
            environment, "redrive", "posts", "--yes", "--rate", "unlimited", "--reason", "refused by the model"
        )
        assert mended.out.startswith("redriven 10 of 10 chosen, of 30 looked at")
        wait_until(
            lambda: posts.count(posts.queue_url) == (0, 0) and posts.count(stack["AlertsQueueUrl"])[0] >= 10,
            "alerts for all posts that the model can read now",
            SECONDS,
        )
        log_after_sigterm(classifier)

    alerts = bodies_of(posts.drained(stack["AlertsQueueUrl"]))
    assert sorted(json.loads(body)["post"]["id"] for body in alerts.elements()) == sorted(unread)
    dead = posts.drained(posts.dead_letters_url)
    assert bodies_of(dead) == dict.fromkeys(poison, 1)
    # trace ids are those of the beginning, and nothing has piled up
    assert sorted(attributes_of(message)["trace_id"] for message in dead) == sorted(f"trace-{n}" for n in range(20))
    assert {len(attributes_of(message)) for message in dead} == {5}


@pytest.mark.parametrize("queue", ["alerts", "deliveries"])
def test_the_other_queues_have_their_dead_letters_redriven_too(
    emulator: Emulator, stack: dict[str, str], queue: str
) -> None:
    name = queue.capitalize()
    pair = Pair(emulator.url, stack[f"{name}QueueUrl"], stack[f"{name}DeadLetterQueueUrl"])
    pair.put_dead(["one"], reason="not what it should be")
    done = run(emulator.environment | service_environment(stack), "redrive", queue, "--yes")
    assert done.code == 0, done.err
    assert bodies_of(pair.drained(pair.queue_url)) == {"one": 1}
