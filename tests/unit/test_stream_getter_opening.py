"""A request whose waiting can be ended: what it gives, raises, and leaves behind."""

import threading

import pytest
import requests

from stream_getter.x.opening import Opening
from tests.support.polling import wait_until


class Answer(requests.Response):
    def __init__(self) -> None:
        super().__init__()
        self.closed = False

    def close(self) -> None:
        self.closed = True


def test_the_answer_comes_as_it_is_and_stays_open() -> None:
    answer = Answer()
    opening = Opening(lambda: answer)
    assert opening.wait() is answer
    opening.give_up()
    assert not answer.closed


def test_what_the_request_raises_is_raised_to_whom_waits() -> None:
    def refuse() -> requests.Response:
        raise requests.ConnectionError("refused")

    with pytest.raises(requests.ConnectionError, match="refused"):
        Opening(refuse).wait()


def test_nothing_is_asked_once_it_is_given_up() -> None:
    asked = threading.Event()

    def ask() -> requests.Response:
        asked.set()
        return Answer()

    opening = Opening(ask)
    opening.give_up()
    assert opening.wait() is None
    assert not asked.is_set()


@pytest.mark.parametrize("fails", [False, True])
def test_an_end_that_comes_after_it_was_given_up_disturbs_nobody(fails: bool) -> None:
    asked, go_on, answer = threading.Event(), threading.Event(), Answer()

    def ask() -> requests.Response:
        asked.set()
        assert go_on.wait(10)
        if fails:
            raise requests.ConnectionError("refused")
        return answer

    opening = Opening(ask)
    got: list[requests.Response | None] = []
    waiter = threading.Thread(target=lambda: got.append(opening.wait()), daemon=True)
    waiter.start()
    assert asked.wait(10)
    opening.give_up()
    waiter.join(10)
    assert got == [None]
    go_on.set()
    wait_until(lambda: answer.closed or fails, "the late answer's end")
    assert opening.wait() is None
