"""What is received, and when nothing is."""

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from classifier.in_hand import InHand
from classifier.intake import Intake, pause_while_none_is_up
from classifier.metrics import Metrics
from classifier.outcomes import Outcomes
from pipeline.breaker import BreakerState
from pipeline.queue_reader import ReceivedMessage
from tests.support.classifier_parts import Lines, ScriptedModel, labels_of
from tests.support.desk_bench import Bench, judged, texts
from tests.support.examples import NOW, a_notice, a_post, received
from tests.support.fake_queue_ends import FakeReader, FakeWriter
from tests.support.polling import wait_until


class Receiving:
    """The intake in a thread of its own; the reader's batches end with ``stopping``."""

    def __init__(
        self,
        *batches: Sequence[ReceivedMessage],
        room: int = 100,
        bench: Bench | None = None,
        starts_open: bool = False,
    ) -> None:
        self.stopping = threading.Event()
        self.reader = FakeReader(self.stopping, *batches)
        self.receives = 0
        receive = self.reader.receive

        def counted(limit: int = 10, timeout: float = 5.0) -> list[ReceivedMessage]:
            self.receives += 1
            return receive(limit, timeout)

        self.reader.receive = counted  # type: ignore[method-assign]
        self.lines = Lines(
            ScriptedModel(), ScriptedModel(name="two"), starts_open=starts_open, stopping=threading.Event()
        )
        self.bench = bench or Bench()
        self.in_hand = InHand(room, 1_000_000)
        self.outcomes = Outcomes(self.reader, FakeWriter(), self.in_hand, Metrics(CollectorRegistry()), lambda: NOW)
        intake = Intake(self.reader, self.bench.desk, self.outcomes, self.in_hand, self.lines.lines, self.stopping)
        self.thread = threading.Thread(target=intake.run, daemon=True)
        self.thread.start()

    def end(self) -> None:
        self.thread.join(10.0)
        assert not self.thread.is_alive()


def message(text: str, id_: str) -> ReceivedMessage:
    return received(a_post(f"x:{id_}", text=text), id_)


def test_posts_of_several_receives_wait_at_the_desk_together() -> None:
    receiving = Receiving([message("the first", "1")], [message("the second", "2"), message("the third", "3")])
    receiving.end()
    assert texts(receiving.bench.take()) == ["the first", "the second", "the third"]
    assert receiving.in_hand.count == 3
    assert receiving.reader.settled == set()


@pytest.mark.parametrize(
    "content",
    ["no JSON", "{}", '{"type":"post","v":99,"id":"x:1"}', a_notice(), r'{"type":"post","v":1,"text":"\ud800"}'],
    ids=["no JSON", "empty", "future version", "notice", "lone surrogate"],
)
def test_what_is_no_post_goes_to_the_dead_letters_and_its_neighbours_are_judged(content: Any) -> None:
    receiving = Receiving([received(content, "bad"), message("nice day today", "2")])
    receiving.end()
    assert receiving.reader.dead_letters.keys() == {"bad"}
    assert receiving.reader.dead_letters["bad"].startswith("not a post: ")
    assert texts(receiving.bench.take()) == ["nice day today"]
    assert receiving.in_hand.count == 1


def test_what_is_answered_already_is_settled_at_once() -> None:
    bench = Bench(labels_of({"name": "quake"}, {"name": "fire", "only_rules": ["smoke"]}))
    receiving = Receiving([message("nice day today", "1")], bench=bench)
    receiving.end()
    receiving.outcomes.settle(bench.desk.answered(bench.take().questions, [judged(0.1)]))
    again = Receiving([message("Nice day today", "2")], bench=bench)
    again.end()
    assert (receiving.reader.deleted, again.reader.deleted) == (["1"], ["2"])
    assert again.in_hand.count == 0


@pytest.mark.parametrize("number", [0, 1])
def test_nothing_is_received_before_one_of_the_endpoints_has_answered(number: int) -> None:
    receiving = Receiving([message("nice day today", "1")], starts_open=True)
    line = receiving.lines.lines[number]
    permit = line.breaker.permit_now()
    assert permit
    assert receiving.receives == 0
    line.probe_once(permit, receiving.lines.labels.everything)
    wait_until(lambda: receiving.receives, "the first receive")
    receiving.end()


def test_a_stop_before_an_endpoint_has_answered_ends_it_without_a_receive() -> None:
    receiving = Receiving([message("nice day today", "1")], starts_open=True)
    receiving.stopping.set()
    receiving.end()
    assert receiving.receives == 0


def test_nothing_is_received_while_there_is_no_room_and_again_as_soon_as_there_is() -> None:
    receiving = Receiving([message("the first", "1")], [message("the second", "2")], room=1)
    wait_until(lambda: receiving.in_hand.count == 1, "the first post")
    assert receiving.receives == 1
    receiving.outcomes.settle(receiving.bench.desk.answered(receiving.bench.take().questions, [judged(0.1)]))
    wait_until(lambda: receiving.receives == 2, "the second receive")
    receiving.stopping.set()
    receiving.end()


def test_a_stop_ends_the_wait_for_room() -> None:
    receiving = Receiving([message("the first", "1")], room=1)
    wait_until(lambda: receiving.in_hand.count == 1, "the first post")
    receiving.stopping.set()
    receiving.end()


class Switch:
    """A reader that knows whether it is paused."""

    paused: bool | None = None

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


def open_breaker(lines: Lines, number: int) -> None:
    permit = lines.lines[number].breaker.permit_now()
    assert permit
    permit.failed(certain=True)


def close_breaker(lines: Lines, number: int) -> None:
    line = lines.lines[number]
    permit = line.breaker.wait_until_allowed(lines.stopping)
    assert permit
    assert permit.is_probe
    line.probe_once(permit, lines.labels.everything)


def test_with_two_endpoints_the_reader_is_paused_while_neither_is_up() -> None:
    lines = Lines(ScriptedModel(), ScriptedModel(name="two"), wait=0.001, starts_open=True, stopping=threading.Event())
    switch = Switch()
    pause_while_none_is_up(lines.lines, switch)
    seen = [switch.paused]
    for change, number in [
        (close_breaker, 1),
        (close_breaker, 0),
        (open_breaker, 0),
        (open_breaker, 1),
        (close_breaker, 0),
        (open_breaker, 0),
        (close_breaker, 1),
    ]:
        change(lines, number)
        seen.append(switch.paused)
    assert seen == [True, False, False, False, True, False, True, False]


def test_one_that_comes_up_while_the_other_goes_down_is_not_told_before_that() -> None:
    lines = Lines(ScriptedModel(), ScriptedModel(name="two"), wait=0.0001, stopping=threading.Event())
    is_pausing, may_pause = threading.Event(), threading.Event()

    class SlowSwitch(Switch):
        def pause(self) -> None:
            if not is_pausing.is_set():
                is_pausing.set()
                assert may_pause.wait(10)
            super().pause()

    open_breaker(lines, 1)
    switch = SlowSwitch()
    pause_while_none_is_up(lines.lines, switch)
    assert switch.paused is False
    goes_down = threading.Thread(target=open_breaker, args=(lines, 0), daemon=True)
    comes_up = threading.Thread(target=close_breaker, args=(lines, 1), daemon=True)
    goes_down.start()
    assert is_pausing.wait(10)
    comes_up.start()
    wait_until(lambda: lines.lines[1].breaker.state is not BreakerState.OPEN, "the second to be probed")
    comes_up.join(0.1)
    may_pause.set()
    for thread in (goes_down, comes_up):
        thread.join(10.0)
    assert switch.paused is False
