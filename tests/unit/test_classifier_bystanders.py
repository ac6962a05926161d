"""Texts that are under way beside a poisonous one: its failures are theirs too, and they are not blamed for them."""

import threading
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

import pytest

from classifier.cases import Judged
from classifier.endpoint_errors import ContentRefused, EndpointFailed, EndpointTooSlow, EndpointUnavailable
from tests.support.classifier_parts import HARMLESS, Lines, ScriptedModel, score
from tests.support.polling import wait_until

#: What becomes of all that is under way with the poisonous text, and how many probes find the endpoint down after it.
DIES = (EndpointFailed("Connection was closed before we received a valid response"), 6)
HANGS = (EndpointTooSlow("Read timeout on endpoint"), 0)

JUDGED = Judged([score("a")], "minilm")


class SharedFate(ScriptedModel):
    """Fails at "poison", and with it at all that is under way then."""

    def __init__(self, error: EndpointFailed, probes: int) -> None:
        super().__init__(self._serve_or_fail)
        self._error = error
        self._probes = probes
        self._down_for = 0
        self._falls = 0
        self._others = 0
        self._changed = threading.Condition()

    def _serve_or_fail(self, texts: Sequence[str]) -> Exception | None:
        with self._changed:
            if texts == HARMLESS:
                self._down_for -= self._down_for > 0
                return EndpointUnavailable("Could not connect to the endpoint URL") if self._down_for else None
            if "poison" in texts:
                # long enough for others to come beside it, if they may
                self._changed.wait_for(lambda: self._others > 1, 0.05)
                self._falls += 1
                self._down_for = self._probes
                self._changed.notify_all()
                return self._error
            before = self._falls
            self._others += 1
            self._changed.notify_all()
            fell = self._changed.wait_for(lambda: self._falls > before, 0.1)
            self._others -= 1
            return self._error if fell else None


@pytest.mark.parametrize(("error", "probes"), [DIES, HANGS], ids=["dies", "hangs"])
def test_what_is_under_way_when_a_text_takes_the_endpoint_along_is_judged(error: EndpointFailed, probes: int) -> None:
    with patch("classifier.patience._LOOK_AGAIN", 0.001), patch("pipeline.adaptive_limit._LOOK_AGAIN", 0.001):
        bench = Lines(SharedFate(error, probes), wait=0.001, stopping=threading.Event())
        bench.start_probers()
        results: dict[str, Any] = {}

        def judge(*texts: str) -> Callable[[], None]:
            return lambda: results.update(bench.judge(*texts))

        work = [judge("poison"), judge("one innocent"), judge("another", "a third")]
        threads = [threading.Thread(target=each, daemon=True) for each in work]
        for thread in threads:
            thread.start()
        wait_until(lambda: not any(thread.is_alive() for thread in threads), "everything to be judged")
        bench.stopping.set()
    assert [text for text, answer in results.items() if isinstance(answer, ContentRefused)] == ["poison"]
    assert sum(isinstance(answer, Judged) for answer in results.values()) == 3


def hangs_at_first(times: int, beside: Callable[[int], None]) -> Callable[[Sequence[str]], Exception | None]:
    """No answer in time for so many calls that are no probes; ``beside`` is called in each call, with its number."""
    calls = 0

    def serve(texts: Sequence[str]) -> Exception | None:
        nonlocal calls
        if texts == HARMLESS:
            beside(0)
            return None
        calls += 1
        beside(calls)
        return HANGS[0] if calls <= times else None

    return serve


def test_a_time_out_counts_twice_where_the_text_was_asked_about_alone_and_the_harmless_one_is_judged_at_once() -> None:
    assert Lines(ScriptedModel(hangs_at_first(2, lambda _call: None))).judge("a") == {"a": JUDGED}
    assert isinstance(Lines(ScriptedModel(hangs_at_first(3, lambda _call: None))).judge("a")["a"], ContentRefused)


def test_a_time_out_counts_once_where_the_harmless_text_takes_long_too() -> None:
    def beside(call: int) -> None:
        if not call:
            bench.waits.append(1.5)

    bench = Lines(ScriptedModel(hangs_at_first(5, beside)))
    assert bench.judge("a") == {"a": JUDGED}


def test_a_time_out_counts_once_where_another_call_was_under_way_beside_it() -> None:
    def beside(call: int) -> None:
        if call == 1:
            with bench.first.limit.slot(threading.Event()):
                pass

    bench = Lines(ScriptedModel(hangs_at_first(3, beside)))
    assert bench.judge("a") == {"a": JUDGED}
