"""A new configuration while classifier runs: no post is judged by a mixture, and none waits for the old one."""

import threading
from collections.abc import Iterator, Sequence

import pytest

from classifier.endpoint_errors import ContentRefused, EndpointUnavailable
from pipeline.queue_reader import ReceivedMessage
from tests.support.classifier_at_work import AtWork
from tests.support.classifier_parts import HARMLESS, ScriptedModel, labels_of
from tests.support.examples import a_post, received
from tests.support.polling import wait_until

OLD = {"name": "flood", "threshold": 0.2}
NEW = {"name": "fire", "threshold": 0.2}
TROUBLE = {"it refuses every text": ContentRefused("candidate_labels"), "it is down": EndpointUnavailable("503")}


def post(id_: str, text: str = "a post that is long enough to pass") -> ReceivedMessage:
    return received(a_post(f"x:{id_}", text=f"{text} {id_}"), id_)


@pytest.fixture
def running() -> Iterator[list[AtWork]]:
    """What a test has started, for its end whatever happens."""
    started: list[AtWork] = []
    yield started
    for each in started:
        each.end()


def test_what_is_under_way_ends_by_the_old_labels_and_the_next_is_judged_by_the_new(running: list[AtWork]) -> None:
    is_called, may_answer = threading.Event(), threading.Event()

    def serve(texts: Sequence[str]) -> None:
        if list(texts) != HARMLESS and not may_answer.is_set():
            is_called.set()
            assert may_answer.wait(10)

    at_work = AtWork(ScriptedModel(serve), labels_of(OLD), [post("1"), post("2")], callers=1)
    running.append(at_work)
    assert is_called.wait(10)
    at_work.reader.arrive(post("3"))
    wait_until(lambda: at_work.in_hand.count == 3, "the third post to wait")
    at_work.change(labels_of(NEW))
    may_answer.set()
    at_work.settled(3)
    assert at_work.alerts == [("x:1", ["flood"]), ("x:2", ["flood"]), ("x:3", ["fire"])]
    assert sorted(at_work.reader.deleted) == ["1", "2", "3"]


def test_a_threshold_that_was_raised_counts_from_the_next_post_on_whatever_is_kept(running: list[AtWork]) -> None:
    at_work = AtWork(ScriptedModel(), labels_of(OLD), [post("1")])
    running.append(at_work)
    at_work.settled(1)
    at_work.change(labels_of(OLD | {"threshold": 0.9}))
    same = received(a_post("x:2", text="a post that is long enough to pass 1"), "2")
    at_work.reader.arrive(same)
    at_work.settled(2)
    assert at_work.alerts == [("x:1", ["flood"])]
    assert sorted(at_work.reader.deleted) == ["1", "2"]


@pytest.mark.parametrize("error", TROUBLE.values(), ids=TROUBLE)
def test_posts_that_wait_for_the_endpoint_are_judged_by_the_new_labels_as_soon_as_these_are_answered(
    running: list[AtWork], error: Exception
) -> None:
    labels, is_well = labels_of(NEW), threading.Event()
    is_well.set()
    model = ScriptedModel()

    def serve(_texts: Sequence[str]) -> Exception | None:
        return None if is_well.is_set() or model.label_sets[-1] is labels.everything else error

    model.serve = serve
    at_work = AtWork(model, labels_of(OLD))
    running.append(at_work)
    wait_until(lambda: at_work.lines.first.is_up, "the endpoint to be up")
    is_well.clear()
    at_work.reader.arrive(post("1"), post("2"))
    wait_until(lambda: at_work.reader.paused, "the reader to be paused")
    at_work.change(labels)
    at_work.settled(2)
    assert at_work.alerts == [("x:1", ["fire"]), ("x:2", ["fire"])]
    assert sorted(at_work.reader.deleted) == ["1", "2"]


def test_a_start_that_waits_goes_on_by_the_new_labels(running: list[AtWork]) -> None:
    labels = labels_of(NEW)
    model = ScriptedModel()
    model.serve = lambda _texts: None if model.label_sets[-1] is labels.everything else ContentRefused("labels")
    at_work = AtWork(model, labels_of(OLD), [post("1")])
    running.append(at_work)
    wait_until(lambda: len(model.calls) > 3, "some probes")
    assert at_work.in_hand.count == 0
    at_work.change(labels)
    at_work.settled(1)
    assert at_work.alerts == [("x:1", ["fire"])]


def test_what_no_new_label_is_for_is_deleted_without_a_judgement(running: list[AtWork]) -> None:
    is_well = threading.Event()
    is_well.set()
    at_work = AtWork(ScriptedModel(lambda _texts: None if is_well.is_set() else TROUBLE["it is down"]), labels_of(OLD))
    running.append(at_work)
    wait_until(lambda: at_work.lines.first.is_up, "the endpoint to be up")
    is_well.clear()
    at_work.reader.arrive(post("1"), post("2"))
    wait_until(lambda: at_work.in_hand.count == 2, "the posts to wait")
    at_work.change(labels_of(NEW | {"only_rules": ["smoke"]}))
    at_work.settled(2)
    assert (sorted(at_work.reader.deleted), at_work.alerts) == (["1", "2"], [])


def test_whatever_changes_while_it_works_each_message_is_settled_once(running: list[AtWork]) -> None:
    count = 200
    at_work = AtWork(ScriptedModel(), labels_of(OLD), *([post(str(number))] for number in range(count)), callers=3)
    running.append(at_work)
    for number in range(20):
        at_work.settled(10 * number)
        at_work.change(labels_of((OLD, NEW)[number % 2]))
    at_work.settled(count)
    # a message that is settled twice fails in the reader
    assert sorted(at_work.reader.deleted, key=int) == [str(number) for number in range(count)]
    assert len(at_work.alerts) == count
    wait_until(lambda: at_work.in_hand.count == 0, "nothing to be in hand")


def test_a_stop_while_the_endpoint_is_down_gives_everything_back() -> None:
    is_well = threading.Event()
    is_well.set()
    at_work = AtWork(ScriptedModel(lambda _texts: None if is_well.is_set() else TROUBLE["it is down"]), labels_of(OLD))
    wait_until(lambda: at_work.lines.first.is_up, "the endpoint to be up")
    is_well.clear()
    at_work.reader.arrive(*(post(str(number)) for number in range(10)))
    wait_until(lambda: at_work.in_hand.count == 10, "the posts to wait")
    at_work.end()
    assert at_work.reader.given_back == {str(number): 0 for number in range(10)}
    assert at_work.reader.deleted == []
