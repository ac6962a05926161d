"""A second endpoint behind the first: asked while the first is down, and the first again afterwards."""

from collections.abc import Sequence

import pytest

from classifier.cases import Judged
from classifier.endpoint_errors import ContentRefused, EndpointBusy, EndpointFailed, EndpointUnavailable
from classifier.intake import pause_while_none_is_up
from classifier.patience import Stopping
from tests.support.classifier_parts import HARMLESS, Lines, ScriptedModel, Serve, one_after_the_other, whenever

DOWN = EndpointUnavailable("503: down")


class FakeReader:
    """Keeps what it was told last, and how often that changed."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def pause(self) -> None:
        self._say("pause")

    def resume(self) -> None:
        self._say("resume")

    def _say(self, word: str) -> None:
        if self.said[-1:] != [word]:
            self.said.append(word)


def models_of(told: dict[str, Judged | ContentRefused]) -> set[str]:
    assert all(isinstance(answer, Judged) for answer in told.values())
    return {answer.model for answer in told.values() if isinstance(answer, Judged)}


class Pair(Lines):
    """Two endpoints, of which either can be taken down."""

    def __init__(self, starts_open: bool = False) -> None:
        self.down: set[str] = set()
        self.one, self.two = (ScriptedModel(self._serve(name), name) for name in ("one", "two"))
        super().__init__(self.one, self.two, starts_open=starts_open)
        self.reader = FakeReader()
        pause_while_none_is_up(self.lines, self.reader)

    def _serve(self, name: str) -> Serve:
        return lambda _texts: DOWN if name in self.down else None


def test_the_second_is_asked_nothing_but_the_probe_at_the_start_while_the_first_is_up() -> None:
    pair = Pair(starts_open=True)
    assert models_of(pair.judge("a", "b")) == {"one"}
    assert models_of(pair.judge("c")) == {"one"}
    assert pair.two.calls == [HARMLESS]


def test_the_second_answers_while_the_first_is_down_and_the_first_again_afterwards() -> None:
    pair = Pair()
    assert models_of(pair.judge("a")) == {"one"}
    pair.down = {"one"}
    assert models_of(pair.judge("b")) == {"two"}
    calls = len(pair.one.calls)
    assert models_of(pair.judge("c")) == {"two"}
    assert len(pair.one.calls) == calls
    pair.down = set()
    pair.stopping.wait(60.0)
    assert models_of(pair.judge("d")) == {"one"}
    assert pair.reader.said == ["resume"]


def test_while_both_are_down_the_reader_is_paused_until_one_answers() -> None:
    pair = Pair()
    pair.down = {"one", "two"}
    pair.stop_after(200)
    with pytest.raises(Stopping):
        pair.judge("a")
    assert pair.reader.said == ["resume", "pause"]
    pair.down = {"one"}
    pair.stop_after(1000)
    assert models_of(pair.judge("a")) == {"two"}
    assert pair.reader.said == ["resume", "pause", "resume"]


def test_at_the_start_nothing_is_received_before_one_has_answered() -> None:
    pair = Pair(starts_open=True)
    assert pair.reader.said == ["pause"]
    pair.down = {"one"}
    pair.probe()
    assert pair.reader.said == ["pause", "resume"]
    assert models_of(pair.judge("a")) == {"two"}


def test_one_that_is_only_busy_is_asked_less_before_the_second_is_asked() -> None:
    one = ScriptedModel(one_after_the_other(EndpointBusy("ThrottlingException"), None), "one")
    two = ScriptedModel(name="two")
    bench = Lines(one, two)
    assert models_of(bench.judge("a")) == {"one"}
    assert two.calls == []
    assert [line.limit.limit for line in bench.lines] == [2, 4]


def test_a_first_that_refuses_everything_is_down_too() -> None:
    one = ScriptedModel(lambda _texts: ContentRefused("candidate_labels: too many"), "one")
    bench = Lines(one, ScriptedModel(name="two"))
    assert models_of(bench.judge("a", "b")) == {"two"}


@pytest.mark.parametrize("error", [ContentRefused("not this"), EndpointFailed("500")], ids=["400", "500"])
def test_a_poisonous_text_is_found_by_the_second_as_well(error: Exception) -> None:
    def serve(_texts: Sequence[str]) -> Exception:
        return DOWN

    bench = Lines(ScriptedModel(serve, "one"), ScriptedModel(whenever("bad", error), "two"))
    told = bench.judge("a", "bad", "c")
    assert isinstance(told.pop("bad"), ContentRefused)
    assert models_of(told) == {"two"}
