"""Logs: one JSON object a line or readable lines, of our own loggers and of libraries, exceptions included."""

import io
import itertools
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import structlog

from pipeline.logs import OccasionalLog, configure_logs, get_logger
from pipeline.trace import tracing
from tests.support.recording_log import RecordingLog

NUMBERS = itertools.count()
Configure = Callable[..., io.StringIO]


@pytest.fixture
def configure() -> Iterator[Configure]:
    """Configures logs to a text that it returns; afterwards everything is as before."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    levels = {name: logging.getLogger(name).level for name in ("pipeline", "stream_getter", "some_library")}

    def configure_to_text(format_: Literal["json", "readable"] = "json", level: str = "INFO") -> io.StringIO:
        stream = io.StringIO()
        configure_logs(level, format_, "stream-getter", stream)
        return stream

    yield configure_to_text
    root.handlers[:], root.level = before
    for name, number in levels.items():
        logging.getLogger(name).setLevel(number)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def own_logger() -> structlog.stdlib.BoundLogger:
    """A logger that no test has used before, since loggers keep the configuration of their first use."""
    return get_logger(f"pipeline.test_{next(NUMBERS)}")


def objects(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_each_line_is_one_json_object(configure: Configure) -> None:
    stream = configure()
    log = own_logger()
    log.info("posts sent", count=3)
    log.warning("two\nlines", reason='quoted "text"\nand more \u2028', odd=object)
    first, second = objects(stream)
    assert (first["event"], first["level"], first["service"], first["count"]) == (
        "posts sent",
        "info",
        "stream-getter",
        3,
    )
    assert first["timestamp"].endswith("Z")
    assert (second["event"], second["level"]) == ("two\nlines", "warning")
    assert second["reason"] == 'quoted "text"\nand more \u2028'


def test_an_exception_is_in_the_same_object(configure: Configure) -> None:
    stream = configure()
    log = own_logger()
    error = ValueError("first line\nsecond line")
    log.error("crashed", exc_info=error)
    try:
        raise error
    except ValueError:
        log.exception("crashed again")
    for line in objects(stream):
        assert "ValueError: first line\nsecond line" in line["exception"]


def test_a_librarys_record_is_one_object_too(configure: Configure) -> None:
    stream = configure()
    try:
        int("broken")
    except ValueError:
        logging.getLogger("some_library").exception("failed %d times", 3)
    (line,) = objects(stream)
    assert (line["event"], line["level"], line["service"]) == ("failed 3 times", "error", "stream-getter")
    assert "ValueError: invalid literal" in line["exception"]


def test_libraries_are_held_to_warnings_whatever_the_level(configure: Configure) -> None:
    stream = configure(level="DEBUG")
    logging.getLogger("some_library").info("whole request")
    own_logger().debug("ours")
    get_logger(f"stream_getter.test_{next(NUMBERS)}").debug("the service's")
    assert [line["event"] for line in objects(stream)] == ["ours", "the service's"]


def test_what_is_below_the_level_is_left_out(configure: Configure) -> None:
    stream = configure(level="WARNING")
    log = own_logger()
    log.info("left out")
    log.warning("kept")
    assert [line["event"] for line in objects(stream)] == ["kept"]


def test_the_trace_id_in_hand_is_in_each_line(configure: Configure) -> None:
    stream = configure()
    with tracing("t-1"):
        own_logger().info("within")
        logging.getLogger("some_library").warning("of a library")
    own_logger().info("after")
    assert [line.get("trace_id") for line in objects(stream)] == ["t-1", "t-1", None]


def test_readable_lines_have_words_and_no_colours_in_a_file(configure: Configure) -> None:
    stream = configure("readable")
    own_logger().warning("cannot be reached", what="queue posts")
    logging.getLogger("some_library").error("failed %d times", 3)
    first, second = stream.getvalue().splitlines()
    assert "warning" in first
    assert "cannot be reached what='queue posts'" in first
    assert "failed 3 times" in second
    assert "\x1b" not in stream.getvalue()


def test_a_readable_exception_has_its_traceback(configure: Configure) -> None:
    stream = configure("readable")
    own_logger().error("crashed", exc_info=ValueError("broken"))
    assert "ValueError: broken" in stream.getvalue()


def test_logs_configured_twice_say_everything_once(configure: Configure) -> None:
    first, second = configure(), configure()
    own_logger().info("once")
    assert (objects(first), len(objects(second))) == ([], 1)


@pytest.fixture
def now() -> list[float]:
    return [100.0]


@pytest.fixture
def occasional(now: list[float]) -> OccasionalLog:
    return OccasionalLog(period_seconds=10.0, clock=lambda: now[0])


def test_the_first_of_a_kind_is_logged(occasional: OccasionalLog) -> None:
    log = RecordingLog()
    occasional.warning(log.logger, "late", "post is late", seconds=3)
    assert log.lines == [("warning", "post is late", {"seconds": 3})]


def test_more_of_a_kind_are_held_back_and_counted(occasional: OccasionalLog, now: list[float]) -> None:
    log = RecordingLog()
    for second in (0.0, 1.0, 9.9, 10.0, 11.0, 20.0, 30.0):
        now[0] = 100.0 + second
        occasional.warning(log.logger, "late", "post is late", second=second)
    assert [values for _level, _event, values in log.lines] == [
        {"second": 0.0},
        {"second": 10.0, "and_before": 2},
        {"second": 20.0, "and_before": 1},
        {"second": 30.0},
    ]


def test_kinds_do_not_hold_each_other_back(occasional: OccasionalLog) -> None:
    log = RecordingLog()
    occasional.warning(log.logger, "late", "post is late")
    occasional.warning(log.logger, "large", "post is large")
    assert log.events == ["post is late", "post is large"]
