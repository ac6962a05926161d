"""Settings from the environment: defaults, conversions, and mistakes in one line."""

from pathlib import Path
from typing import Annotated

import msgspec
import pytest

from pipeline.errors import UserMistake
from pipeline.settings import CommonSettings, Count, Port, Seconds, Text, Url, read_settings


class ExampleSettings(CommonSettings, frozen=True, kw_only=True):
    queue_url: Url
    token: Text = "none"
    port: Port = 80
    patience: Seconds = 1.5
    threads: Count = 4
    dry_run: bool = False
    ratio: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5


GIVEN = {"QUEUE_URL": "http://localhost:4566/000000000000/posts"}


def mistake_in(environ: dict[str, str]) -> str:
    with pytest.raises(UserMistake) as caught:
        read_settings(ExampleSettings, environ)
    return str(caught.value)


def test_what_is_not_set_has_its_default() -> None:
    assert read_settings(CommonSettings, {}) == CommonSettings(
        log_level="INFO", log_format="json", telemetry_host="127.0.0.1", telemetry_port=9100
    )


def test_variables_are_the_field_names_in_capitals() -> None:
    settings = read_settings(
        ExampleSettings,
        GIVEN | {"PORT": "0", "PATIENCE": "0.25", "THREADS": "1", "DRY_RUN": "true", "LOG_FORMAT": "readable"},
    )
    assert (settings.port, settings.patience, settings.threads) == (0, 0.25, 1)
    assert (settings.dry_run, settings.log_format) == (True, "readable")


def test_variables_of_others_are_left_alone() -> None:
    settings = read_settings(ExampleSettings, GIVEN | {"PATH": "/bin", "port": "7", "UNKNOWN": "x"})
    assert settings.port == 80


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read_settings(ExampleSettings, GIVEN | {"PORT": "", "TOKEN": ""}).port == 80
    expected = "environment: QUEUE_URL: expected a URL such as http://localhost:4566/000000000000/posts, got nothing"
    assert mistake_in({"QUEUE_URL": ""}) == expected
    assert mistake_in({}) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("QUEUE_URL", "localhost:4566", "a URL such as http://localhost:4566/000000000000/posts, got 'localhost:4566'"),
        ("QUEUE_URL", "http://a b", "a URL such as http://localhost:4566/000000000000/posts, got 'http://a b'"),
        ("PORT", "http", "a port from 0 to 65535, got 'http'"),
        ("PORT", "-1", "a port from 0 to 65535, got '-1'"),
        ("PORT", "65536", "a port from 0 to 65535, got '65536'"),
        ("PATIENCE", "0", "a number of seconds above 0, got '0'"),
        ("PATIENCE", "nan", "a number of seconds above 0, got 'nan'"),
        ("PATIENCE", "inf", "a number of seconds above 0, got 'inf'"),
        ("PATIENCE", "5s", "a number of seconds above 0, got '5s'"),
        ("THREADS", "0", "a whole number from 1 up, got '0'"),
        ("THREADS", "1.5", "a whole number from 1 up, got '1.5'"),
        ("LOG_LEVEL", "info", "DEBUG, INFO, WARNING or ERROR, got 'info'"),
        ("LOG_FORMAT", "xml", "json or readable, got 'xml'"),
        ("DRY_RUN", "maybe", "boolean, got 'maybe'"),
        ("RATIO", "2", "number, got '2'"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_variable(name: str, value: str, expected: str) -> None:
    assert mistake_in(GIVEN | {name: value}) == f"environment: {name}: expected {expected}"


def test_a_line_break_in_a_value_does_not_break_the_line() -> None:
    assert mistake_in(GIVEN | {"PORT": "80\n81"}) == r"environment: PORT: expected a port from 0 to 65535, got '80\n81'"


def test_a_variable_may_be_given_as_the_file_that_holds_its_value(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret\n", encoding="utf-8")
    assert read_settings(ExampleSettings, GIVEN | {"TOKEN_FILE": str(file)}).token == "secret"
    assert read_settings(ExampleSettings, GIVEN | {"TOKEN_FILE": str(file), "TOKEN": "given"}).token == "given"
    assert read_settings(ExampleSettings, GIVEN | {"TOKEN_FILE": ""}).token == "none"


def test_an_empty_file_counts_as_not_set(tmp_path: Path) -> None:
    file = tmp_path / "empty"
    file.write_text("\n", encoding="utf-8")
    assert read_settings(ExampleSettings, GIVEN | {"TOKEN_FILE": str(file)}).token == "none"


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "none"
    assert mistake_in(GIVEN | {"TOKEN_FILE": str(file)}).startswith(
        f"environment: TOKEN_FILE: expected a readable file, got '{file}' ("
    )


def test_a_value_from_a_file_is_checked_too(tmp_path: Path) -> None:
    file = tmp_path / "port"
    file.write_text("http", encoding="utf-8")
    assert (
        mistake_in(GIVEN | {"PORT_FILE": str(file)}) == "environment: PORT: expected a port from 0 to 65535, got 'http'"
    )
