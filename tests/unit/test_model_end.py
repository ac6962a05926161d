"""How the endpoint ends: a signal at any moment, and a model that still loads."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from zero_shot_model import server
from zero_shot_model.backends import Backend
from zero_shot_model.errors import StartError
from zero_shot_model.model_queue import Bounds, ModelQueue
from zero_shot_model.protocol import Limits
from zero_shot_model.settings import Settings, read_settings

DEADLINE_SECONDS = 20
SIGNALS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture
def settings() -> Settings:
    return read_settings(["--port", "0"], {})


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    before = [signal.getsignal(each) for each in SIGNALS]
    yield
    for each, handler in zip(SIGNALS, before, strict=True):
        signal.signal(each, handler)


class Load:
    """A load that waits to be let go, and then fails."""

    def __init__(self, failure: Exception, stop_signal: signal.Signals | None = None) -> None:
        self.began = threading.Event()
        self.may_end = threading.Event()
        self.waited_for_nothing = False
        self._failure = failure
        self._signal = stop_signal

    def __call__(self, *_: object) -> Backend:
        self.began.set()
        if self._signal is not None:
            os.kill(os.getpid(), self._signal)
        self.waited_for_nothing = not self.may_end.wait(DEADLINE_SECONDS)
        raise self._failure


@pytest.mark.parametrize("stop_signal", SIGNALS)
def test_a_signal_before_the_server_runs_is_not_lost(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, stop_signal: signal.Signals
) -> None:
    listen = server.listening_socket
    load = Load(RuntimeError("a load that nobody waits for"))

    def signalled(host: str, port: int) -> socket.socket:
        signal.raise_signal(stop_signal)
        return listen(host, port)

    monkeypatch.setattr(server, "listening_socket", signalled)
    lost = threading.Event()

    def second_signal() -> None:
        lost.set()
        load.may_end.set()
        os.kill(os.getpid(), stop_signal)

    watch = threading.Timer(DEADLINE_SECONDS / 2, second_signal)
    watch.start()
    try:
        assert server.serve(settings, load) == 0
    finally:
        watch.cancel()
        load.may_end.set()
    assert not lost.is_set()


@pytest.mark.parametrize("failure", [RuntimeError("broken"), StartError("a wrong file")])
def test_a_signal_while_the_model_loads_ends_the_server_with_0_at_once(settings: Settings, failure: Exception) -> None:
    load = Load(failure, signal.SIGTERM)
    try:
        assert server.serve(settings, load) == 0
        assert load.began.is_set()
        assert not load.waited_for_nothing
    finally:
        load.may_end.set()


@pytest.mark.parametrize("failure", [RuntimeError("broken"), StartError("a wrong file")])
def test_a_load_that_fails_while_the_server_stops_is_no_failure(
    settings: Settings, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Load(failure, signal.SIGTERM)
    stop = ModelQueue.stop

    def stop_after_the_failure(queue: ModelQueue) -> None:
        load.may_end.set()
        asyncio.run_coroutine_threadsafe(failed.wait(), loops[0]).result(DEADLINE_SECONDS)
        stop(queue)

    loops: list[asyncio.AbstractEventLoop] = []
    failed = asyncio.Event()
    start = ModelQueue.start

    async def start_and_tell(queue: ModelQueue) -> None:
        loops.append(asyncio.get_running_loop())
        try:
            await start(queue)
        finally:
            failed.set()

    monkeypatch.setattr(ModelQueue, "start", start_and_tell)
    monkeypatch.setattr(ModelQueue, "stop", stop_after_the_failure)
    assert server.serve(settings, load) == 0


def test_a_model_that_cannot_be_loaded_ends_the_server(settings: Settings) -> None:
    broken, wrong = Load(RuntimeError("broken")), Load(StartError("a wrong file"))
    for load in (broken, wrong):
        load.may_end.set()
    assert server.serve(settings, broken) == 1
    with pytest.raises(StartError, match="a wrong file"):
        server.serve(settings, wrong)


def test_a_queue_that_still_loads_stops_at_once() -> None:
    load = Load(RuntimeError("broken"))

    async def scenario() -> None:
        queue = ModelQueue(load, Limits(1, 1), Bounds(1, 1, 1))
        starting = asyncio.create_task(queue.start())
        await asyncio.to_thread(load.began.wait)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS / 2):
                await asyncio.to_thread(queue.stop)
        finally:
            load.may_end.set()
            starting.cancel()

    asyncio.run(scenario())


HANGING = """
import concurrent.futures, os, signal, sys, threading
from zero_shot_model import __main__ as command

class Load:
    def __call__(self, current, registry: object) -> object:
        # threads of executors are waited for at a usual end, like those of a model that runs
        job = concurrent.futures.ThreadPoolExecutor().submit(threading.Event().wait)
        os.kill(os.getpid(), signal.SIGTERM)
        job.result()

command.backends.prepare = lambda settings: Load()
sys.exit(command.main(["--port", "0"]))
"""


def test_the_process_waits_for_no_load() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run(
        [sys.executable, "-c", HANGING], env=environment, capture_output=True, text=True, timeout=DEADLINE_SECONDS
    )
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False), ended.stderr
    assert "stopped" in ended.stderr
