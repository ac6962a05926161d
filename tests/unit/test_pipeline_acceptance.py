"""Waiting for the next queue: to the end while the service runs, briefly once it stops."""

import threading
from concurrent.futures import Future

import pytest

import pipeline.acceptance
from pipeline.acceptance import wait_until_settled

SOON = 5.0


def settled(error: Exception | None = None) -> "Future[None]":
    future: Future[None] = Future()
    if error:
        future.set_exception(error)
    else:
        future.set_result(None)
    return future


def test_it_returns_at_once_when_all_are_done() -> None:
    wait_until_settled([], threading.Event())
    wait_until_settled([settled(), settled(RuntimeError("refused"))], threading.Event())


def test_it_waits_for_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.acceptance, "_STEP", 0.001)
    last: Future[None] = Future()
    waiting = threading.Thread(target=wait_until_settled, args=([settled(), last], threading.Event()))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    last.set_exception(RuntimeError("refused"))
    waiting.join(SOON)
    assert not waiting.is_alive()


def test_a_stop_ends_the_wait_for_one_that_is_never_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.acceptance, "_STEP", 0.001)
    monkeypatch.setattr(pipeline.acceptance, "_STOP_PATIENCE", 0.001)
    stopping = threading.Event()
    waiting = threading.Thread(target=wait_until_settled, args=([Future()], stopping))
    waiting.start()
    waiting.join(0.02)
    assert waiting.is_alive()
    stopping.set()
    waiting.join(SOON)
    assert not waiting.is_alive()


def test_a_stop_leaves_the_next_queue_some_seconds() -> None:
    stopping = threading.Event()
    stopping.set()
    last: Future[None] = Future()
    waiting = threading.Thread(target=wait_until_settled, args=([last], stopping))
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    last.set_result(None)
    waiting.join(SOON)
    assert not waiting.is_alive()


def test_the_patience_fits_into_a_drain() -> None:
    assert pipeline.acceptance._STEP + pipeline.acceptance._STOP_PATIENCE < 10
