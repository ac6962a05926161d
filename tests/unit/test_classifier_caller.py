"""A caller: what it takes from the desk comes back, whatever ends its call."""

import threading
from collections.abc import Sequence

from classifier.caller import Caller
from classifier.cases import Answered, Case, Judged
from classifier.endpoint_errors import ContentRefused, EndpointUnavailable
from tests.support.classifier_parts import Lines, ScriptedModel, a_case, labels_of, score, whenever
from tests.support.desk_bench import Bench
from tests.support.polling import wait_until

DOWN = EndpointUnavailable("503: down")


class Books:
    """Where cases go; ``stopping`` is set once ``enough`` have come."""

    def __init__(self, stopping: threading.Event, enough: int) -> None:
        self.answered: list[Answered] = []
        self.given_back: list[Case] = []
        self._stopping = stopping
        self._enough = enough

    def settle(self, answered: Sequence[Answered]) -> None:
        self.answered += answered
        self._look()

    def give_back(self, cases: Sequence[Case]) -> None:
        self.given_back += cases
        self._look()

    def _look(self) -> None:
        if len(self.answered) + len(self.given_back) >= self._enough:
            self._stopping.set()


class Calling:
    """A caller with a desk and a model, and the loop in a thread of its own."""

    def __init__(
        self, model: ScriptedModel, *cases: Case, enough: int | None = None, starts_open: bool = False
    ) -> None:
        self.stopping = threading.Event()
        self.lines = Lines(model, wait=0.001, failures=1, stopping=self.stopping, starts_open=starts_open)
        self.bench = Bench(self.lines.labels)
        self.books = Books(self.stopping, len(cases) if enough is None else enough)
        self.bench.submit(*cases)
        self.bench.clock.now += 1.0
        caller = Caller(self.bench.desk, self.lines.patience(), self.books, self.stopping)
        self.thread = threading.Thread(target=caller.run, daemon=True)

    def start(self) -> None:
        self.thread.start()

    def end(self) -> None:
        self.thread.join(10.0)
        assert not self.thread.is_alive()


def test_each_part_of_a_batch_is_settled_as_soon_as_it_is_known() -> None:
    seen: list[int] = []

    def serve(texts: Sequence[str]) -> Exception | None:
        seen.append(len(calling.books.answered))
        return ContentRefused("not this") if "a bad text" in texts else None

    good, bad = a_case("a good text", "1"), a_case("a bad text", "2")
    calling = Calling(ScriptedModel(serve), good, bad)
    calling.start()
    calling.end()
    # both, the good one, the bad one, and the harmless text because of it, twice
    assert seen == [0, 0, 1, 1, 1, 1]
    assert calling.books.answered[0] == (good, Judged([score("a good text")], "minilm"))
    assert calling.books.answered[1][0] is bad
    assert isinstance(calling.books.answered[1][1], ContentRefused)
    assert calling.books.given_back == []


def test_a_stop_before_the_endpoint_answered_gives_the_batch_back_with_what_joined_it() -> None:
    one, other = a_case("the dam broke", "1"), a_case("The dam broke", "2")
    model = ScriptedModel(lambda _texts: DOWN)
    calling = Calling(model, one, enough=2)
    calling.start()
    wait_until(lambda: model.calls, "the call")
    calling.bench.desk.submit([other])
    calling.stopping.set()
    calling.end()
    assert calling.books.given_back == [one, other]
    assert calling.books.answered == []


def test_only_what_was_not_answered_is_given_back() -> None:
    good, bad = a_case("a good text", "1"), a_case("a text that fails", "2")

    def serve(texts: Sequence[str]) -> Exception | None:
        if list(texts) == ["a text that fails"]:
            calling.stopping.set()
        return whenever("a text that fails", ContentRefused("not this"))(texts)

    calling = Calling(ScriptedModel(serve), good, bad)
    calling.start()
    calling.end()
    assert [case for case, _answer in calling.books.answered] == [good]
    assert calling.books.given_back == [bad]


def test_a_batch_that_waits_is_asked_about_by_new_labels_as_soon_as_they_are_in_force() -> None:
    case = a_case("the dam broke", "1")
    model = ScriptedModel()
    new = labels_of({"name": "fire"}, {"name": "smoke"})

    def serve(_texts: Sequence[str]) -> Exception | None:
        return None if model.label_sets[-1] is new.everything else ContentRefused("candidate_labels")

    model.serve = serve
    calling = Calling(model, case)
    calling.lines.start_probers()
    calling.start()
    wait_until(lambda: not calling.lines.first.is_up, "the endpoint to be found refusing everything")
    assert calling.bench.desk.change(new) == []
    calling.lines.labels = new
    calling.bench.clock.now += 1.0
    wait_until(lambda: calling.books.answered, "the answer")
    calling.end()
    assert calling.books.answered == [(case, Judged([score("the dam broke")] * 2, "minilm"))]
    assert case.label_set is new.everything


def test_a_batch_that_was_to_be_asked_again_by_a_desk_that_has_closed_is_given_back() -> None:
    case = a_case("the dam broke", "1")
    calling = Calling(ScriptedModel(lambda _texts: DOWN), case, starts_open=True)
    taken = calling.bench.desk.take
    # between the take and the first look at the endpoint, labels change and the service stops

    def take(timeout: float):  # type: ignore[no-untyped-def]
        batch = taken(timeout)
        if batch:
            calling.bench.desk.change(labels_of({"name": "fire"}))
            calling.bench.desk.close()
        return batch

    calling.bench.desk.take = take  # type: ignore[method-assign]
    calling.start()
    calling.end()
    assert calling.books.given_back == [case]
