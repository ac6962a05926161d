"""How a service ends: in order after a signal, and with the exit code that says why."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator

import pytest
from prometheus_client import CollectorRegistry

import pipeline.lifecycle
from pipeline.errors import Unavailable, UserMistake
from pipeline.lifecycle import GRACE_SECONDS, LAST_SECONDS, Lifecycle, exit_with
from pipeline.watchdog import Watchdog
from tests.support.polling import wait_until
from tests.support.recording_log import RecordingLog, record_log

SOON = 5.0


@pytest.fixture(autouse=True)
def _signal_handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> RecordingLog:
    return record_log(monkeypatch, pipeline.lifecycle)


def send_signal(number: signal.Signals = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


def signalling(lifecycle: Lifecycle, number: signal.Signals = signal.SIGTERM) -> Callable[[], None]:
    """A loop that asks for the end of the service, as an orchestrator would, and then ends as told."""

    def loop() -> None:
        send_signal(number)
        lifecycle.stopping.wait(SOON)

    return loop


def crashing(error: Exception) -> Callable[[], None]:
    def loop() -> None:
        raise error

    return loop


def hanging(release: threading.Event) -> Callable[[], None]:
    def loop() -> None:
        release.wait(SOON)

    return loop


# A signal


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_service_in_order_with_0(number: signal.Signals, log: RecordingLog) -> None:
    lifecycle = Lifecycle()
    happened: list[str] = []

    def loop() -> None:
        send_signal(number)
        lifecycle.stopping.wait(SOON)
        unblocked.wait(SOON)
        happened.append("loop ended")

    unblocked = threading.Event()

    def unblock() -> None:
        happened.append(f"stopping: {lifecycle.stopping.is_set()}")
        unblocked.set()

    code = lifecycle.run(
        {"loop": loop},
        on_stop=[unblock],
        drain=[lambda _left: happened.append("first"), lambda _left: happened.append("second")],
    )
    assert code == 0
    assert happened == ["stopping: True", "loop ended", "first", "second"]
    assert [line for line in log.lines if line[1] == "stopping"] == [("info", "stopping", {"signal": number.name})]


def test_all_loops_are_waited_for_before_the_drain() -> None:
    lifecycle = Lifecycle()
    ended: list[str] = []
    seen: list[list[str]] = []

    def slow() -> None:
        lifecycle.stopping.wait(SOON)
        threading.Event().wait(0.02)
        ended.append("slow")

    def quick() -> None:
        signalling(lifecycle)()
        ended.append("quick")

    assert lifecycle.run({"slow": slow, "quick": quick}, drain=[lambda _left: seen.append(sorted(ended))]) == 0
    assert seen == [["quick", "slow"]]


def test_each_drain_step_gets_the_time_that_is_left() -> None:
    now = [100.0]
    lifecycle = Lifecycle(grace_seconds=25.0, clock=lambda: now[0])
    lefts: list[float] = []

    def step(left: float) -> None:
        lefts.append(left)
        now[0] += 10.0

    def loop() -> None:
        signalling(lifecycle)()
        now[0] += 4.0

    assert lifecycle.run({"loop": loop}, drain=[step] * 4) == 0
    assert lefts == [21.0, 11.0, 1.0, 0.0]


def test_the_grace_ends_before_ecs_kills() -> None:
    assert GRACE_SECONDS == 25.0


def test_a_second_signal_gives_up_waiting_for_loops(log: RecordingLog) -> None:
    lifecycle = Lifecycle()
    release = threading.Event()
    drained: list[float] = []
    code = lifecycle.run(
        {"stuck": hanging(release), "signals": signalling(lifecycle)},
        on_stop=[send_signal],
        drain=[drained.append],
    )
    release.set()
    assert (code, drained) == (1, [])
    assert log.events[-1] == "second signal: not waiting any longer"


def test_a_second_signal_gives_up_waiting_for_a_drain_step(log: RecordingLog) -> None:
    lifecycle = Lifecycle()
    later: list[float] = []

    def step(_left: float) -> None:
        threading.Timer(0.01, send_signal).start()
        threading.Event().wait(SOON)
        later.append(0.0)

    assert lifecycle.run({"loop": signalling(lifecycle)}, drain=[step, later.append]) == 1
    assert later == []
    assert log.events[-1] == "second signal: not waiting any longer"


def test_loops_that_come_to_their_own_end_end_the_service_with_0() -> None:
    lifecycle = Lifecycle()
    drained: list[float] = []
    assert lifecycle.run({"a": lambda: None, "b": lambda: None}, drain=[drained.append]) == 0
    assert lifecycle.stopping.is_set()
    assert len(drained) == 1


def test_a_loop_that_comes_to_its_own_end_leaves_the_others_running() -> None:
    lifecycle = Lifecycle()
    first_ended = threading.Event()

    def second() -> None:
        first_ended.wait(SOON)
        assert not lifecycle.stopping.wait(0.02)

    assert lifecycle.run({"first": first_ended.set, "second": second}) == 0


# Crashes and mistakes


def test_a_crash_stops_the_other_loops_and_gives_1(log: RecordingLog) -> None:
    lifecycle = Lifecycle()
    error = RuntimeError("broken")
    stopped: list[bool] = []
    drained: list[float] = []
    code = lifecycle.run(
        {"crashing": crashing(error), "other": lambda: stopped.append(lifecycle.stopping.wait(SOON))},
        drain=[drained.append],
    )
    assert (code, stopped, len(drained)) == (1, [True], 1)
    assert ("error", "crashed", {"loop": "crashing", "exc_info": error}) in log.lines


def test_a_mistake_of_the_user_in_a_loop_is_one_line_and_gives_2(log: RecordingLog) -> None:
    lifecycle = Lifecycle()
    mistake = UserMistake("environment: TOKEN: expected a token that is valid, got a refusal")
    stopped: list[bool] = []
    code = lifecycle.run({"a": crashing(mistake), "b": lambda: stopped.append(lifecycle.stopping.wait(SOON))})
    assert (code, stopped) == (2, [True])
    assert ("error", str(mistake), {}) in log.lines


def test_a_crash_while_ending_after_a_signal_gives_1(log: RecordingLog) -> None:
    lifecycle = Lifecycle()

    def loop() -> None:
        signalling(lifecycle)()
        raise RuntimeError("broken")

    assert lifecycle.run({"loop": loop}) == 1


def test_a_step_of_the_end_that_crashes_keeps_no_other_from_its_turn(log: RecordingLog) -> None:
    lifecycle = Lifecycle()
    happened: list[str] = []

    def broken(*_left: float) -> None:
        raise RuntimeError("broken")

    code = lifecycle.run(
        {"loop": signalling(lifecycle)},
        on_stop=[broken, lambda: happened.append("on_stop")],
        drain=[broken, lambda _left: happened.append("drain")],
    )
    assert (code, happened) == (1, ["on_stop", "drain"])
    assert log.events.count("crashed while stopping") == 2


@pytest.mark.parametrize("error", [RuntimeError("broken"), ValueError("no")])
def test_a_crash_of_a_thread_that_was_started_elsewhere_ends_the_service_too(
    error: Exception, log: RecordingLog
) -> None:
    lifecycle = Lifecycle()
    drained: list[float] = []

    def loop() -> None:
        threading.Thread(target=crashing(error), name="posts-heartbeat", daemon=True).start()
        assert lifecycle.stopping.wait(SOON)

    assert lifecycle.run({"loop": loop}, drain=[drained.append]) == 1
    assert len(drained) == 1
    assert ("error", "crashed", {"thread": "posts-heartbeat", "exc_info": error}) in log.lines


def test_a_crash_of_such_a_thread_is_told_while_the_service_ends(log: RecordingLog) -> None:
    lifecycle = Lifecycle()

    def crash_elsewhere(_left: float) -> None:
        thread = threading.Thread(target=crashing(RuntimeError("broken")), daemon=True)
        thread.start()
        thread.join(SOON)

    assert lifecycle.run({"loop": signalling(lifecycle)}, drain=[crash_elsewhere]) == 1
    assert log.events.count("crashed") == 1


def test_a_thread_elsewhere_may_end_by_sys_exit() -> None:
    lifecycle = Lifecycle()

    def loop() -> None:
        thread = threading.Thread(target=sys.exit, daemon=True)
        thread.start()
        thread.join(SOON)

    assert lifecycle.run({"loop": loop}) == 0


def test_crashes_of_threads_are_handed_back_to_whom_they_were_told_before() -> None:
    before = threading.excepthook
    Lifecycle().run({"loop": lambda: None})
    assert threading.excepthook is before


def test_a_loop_that_ends_the_process_is_a_crash_and_not_a_silent_end(log: RecordingLog) -> None:
    lifecycle = Lifecycle()
    loops = {"exiting": sys.exit, "other": lambda: lifecycle.stopping.wait(SOON)}
    assert lifecycle.run(loops) == 1  # type: ignore[arg-type]
    assert [values["loop"] for _, event, values in log.lines if event == "crashed"] == ["exiting"]


def test_the_first_signal_after_a_crash_hurries_nothing(log: RecordingLog) -> None:
    lifecycle = Lifecycle()
    drained: list[float] = []

    def other() -> None:
        lifecycle.stopping.wait(SOON)
        send_signal()

    code = lifecycle.run({"crashing": crashing(RuntimeError("no")), "other": other}, drain=[drained.append])
    assert (code, len(drained)) == (1, 1)
    assert log.events[-1] == "stopped"


# Loops that join later


def test_a_loop_may_join_while_the_service_runs_and_is_waited_for() -> None:
    lifecycle = Lifecycle()
    happened: list[str] = []
    joined = threading.Event()

    def later() -> None:
        joined.set()
        lifecycle.stopping.wait(SOON)
        threading.Event().wait(0.02)
        happened.append("the later one ended")

    def first() -> None:
        lifecycle.add("later", later)
        assert joined.wait(SOON)
        signalling(lifecycle)()

    assert lifecycle.run({"first": first}, drain=[lambda _left: happened.append("drain")]) == 0
    assert happened == ["the later one ended", "drain"]


def test_a_loop_that_joined_later_and_came_to_its_end_leaves_the_service_running() -> None:
    lifecycle = Lifecycle()
    ended = threading.Event()

    def first() -> None:
        lifecycle.add("later", ended.set)
        assert ended.wait(SOON)
        assert not lifecycle.stopping.wait(0.02)

    assert lifecycle.run({"first": first}) == 0


def test_a_loop_may_join_under_the_name_of_one_that_still_runs() -> None:
    lifecycle = Lifecycle()
    ended: list[str] = []

    def loop(what: str) -> Callable[[], None]:
        def run() -> None:
            lifecycle.stopping.wait(SOON)
            ended.append(what)

        return run

    def first() -> None:
        lifecycle.add("desk", loop("old"))
        lifecycle.add("desk", loop("new"))
        signalling(lifecycle)()

    seen: list[list[str]] = []
    assert lifecycle.run({"first": first}, drain=[lambda _left: seen.append(sorted(ended))]) == 0
    assert seen == [["new", "old"]]


def test_a_crash_of_a_loop_that_joined_later_ends_the_service(log: RecordingLog) -> None:
    lifecycle = Lifecycle()

    def first() -> None:
        lifecycle.add("later", crashing(RuntimeError("no")))
        assert lifecycle.stopping.wait(SOON)

    assert lifecycle.run({"first": first}) == 1
    assert [values["loop"] for _, event, values in log.lines if event == "crashed"] == ["later"]


# Who watches


def test_every_loop_is_watched_while_it_runs_and_no_longer() -> None:
    now = [1000.0]
    watchdog = Watchdog(CollectorRegistry(), lambda: now[0])
    lifecycle = Lifecycle(watchdog=watchdog)
    stuck: list[list[str]] = []
    started = threading.Barrier(3)
    release = threading.Event()

    def hang() -> None:
        started.wait(SOON)
        release.wait(SOON)

    def look() -> None:
        started.wait(SOON)
        now[0] += 100.0
        stuck.append(sorted(watchdog.stuck()))
        now[0] += 50.0
        lifecycle.stopping.is_set()
        stuck.append(sorted(watchdog.stuck()))
        release.set()

    code = lifecycle.run({"slow": hang, "look": look}, background={"gauge": hang}, limits={"slow": 60.0})
    now[0] += 1000.0
    assert code == 0
    assert stuck == [
        ["slow: no sign of life for 100 s (limit 60 s)"],
        ["gauge: no sign of life for 150 s (limit 120 s)", "slow: no sign of life for 150 s (limit 60 s)"],
    ]
    wait_until(lambda: not watchdog.stuck(), "the loops to have left the watch")


def test_a_loop_that_waits_for_the_end_is_alive() -> None:
    now = [1000.0]
    watchdog = Watchdog(CollectorRegistry(), lambda: now[0])
    lifecycle = Lifecycle(watchdog=watchdog)

    def loop() -> None:
        now[0] += 1000.0
        lifecycle.stopping.wait(0.001)
        assert watchdog.stuck() == []

    assert lifecycle.run({"loop": loop}) == 0


# The deadline


def test_what_runs_in_the_background_is_not_waited_for() -> None:
    lifecycle = Lifecycle()
    release = threading.Event()
    code = lifecycle.run({"loop": signalling(lifecycle)}, background={"gauge": hanging(release)})
    assert code == 0
    assert not release.is_set()
    release.set()


def test_a_crash_in_the_background_ends_the_service(log: RecordingLog) -> None:
    lifecycle = Lifecycle()
    background = {"gauge": crashing(RuntimeError("no"))}
    ended = threading.Event()

    def loop() -> None:
        lifecycle.stopping.wait(SOON)
        ended.set()

    assert lifecycle.run({"loop": loop}, background=background) == 1
    assert ended.is_set()
    assert ("error", "crashed") in [line[:2] for line in log.lines]


def test_a_drain_step_that_leaves_something_undone_gives_1() -> None:
    lifecycle = Lifecycle()
    assert lifecycle.run({"loop": signalling(lifecycle)}, drain=[lambda _left: False]) == 1


def test_a_loop_that_outlasts_the_grace_is_named_and_gives_1_after_the_drain(log: RecordingLog) -> None:
    lifecycle = Lifecycle(grace_seconds=0.01)
    release = threading.Event()
    drained: list[float] = []
    code = lifecycle.run({"hanging": hanging(release), "signals": signalling(lifecycle)}, drain=[drained.append])
    release.set()
    assert code == 1
    assert len(drained) == 1
    assert ("error", "did not end in time", {"loops": ["hanging"], "seconds": 0.01}) in log.lines


def test_a_step_of_the_end_that_hangs_keeps_no_other_from_its_turn_and_gives_1(
    log: RecordingLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline.lifecycle, "LAST_SECONDS", 0.05)
    lifecycle = Lifecycle(grace_seconds=0.01)
    release = threading.Event()
    happened: list[str] = []

    def hang(*_left: float) -> None:
        release.wait(SOON)

    code = lifecycle.run(
        {"loop": signalling(lifecycle)},
        on_stop=[hang],
        drain=[hang, lambda _left: happened.append("drain")],
    )
    release.set()
    assert (code, happened) == (1, ["drain"])
    late = [values["step"] for _, event, values in log.lines if event == "did not end in time"]
    assert late == ["on stop", "drain"]


def test_all_steps_of_the_end_have_had_their_last_second_before_ecs_kills() -> None:
    # notifier has most of them: three drain steps
    assert GRACE_SECONDS + 3 * LAST_SECONDS < 30


def test_a_hanging_loop_cannot_hold_up_the_end_of_the_process() -> None:
    program = """
        import os, signal, sys, threading
        from pipeline.lifecycle import Lifecycle

        def hang():
            os.kill(os.getpid(), signal.SIGTERM)
            threading.Event().wait()

        sys.exit(Lifecycle(grace_seconds=0.01).run({"hanging": hang}))
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1, ended.stderr
    assert "did not end in time" in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


# The entry point


@pytest.mark.parametrize("code", [0, 1, 2])
def test_the_process_ends_with_the_code_of_its_main_function(code: int) -> None:
    with pytest.raises(SystemExit) as ended:
        exit_with("classifier", lambda: code)
    assert ended.value.code == code


def test_a_mistake_of_the_user_is_one_line_on_standard_error_and_2(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> int:
        raise UserMistake("environment: TOKEN: expected a text, got nothing")

    with pytest.raises(SystemExit) as ended:
        exit_with("classifier", main)
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", "classifier: environment: TOKEN: expected a text, got nothing\n")


def test_what_a_start_has_waited_for_in_vain_is_one_line_on_standard_error_and_1(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        exit_with("classifier", crashing(Unavailable("s3://config/alerts.yaml: no answer")))  # type: ignore[arg-type]
    assert ended.value.code == 1
    assert capsys.readouterr() == ("", "classifier: s3://config/alerts.yaml: no answer\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_the_start_ends_it_at_once_with_0(
    capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    def main() -> int:
        send_signal(number)
        threading.Event().wait(SOON)
        return 1

    with pytest.raises(SystemExit) as ended:
        exit_with("classifier", main)
    assert ended.value.code == 0
    assert capsys.readouterr() == ("", "classifier: stopped before it had started\n")


def test_any_other_error_is_not_hidden() -> None:
    with pytest.raises(RuntimeError):
        exit_with("classifier", crashing(RuntimeError("broken")))  # type: ignore[arg-type]
