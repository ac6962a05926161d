"""Settings from the environment and from the command line, and mistakes in them."""

from pathlib import Path

import pytest

from zero_shot_model.errors import StartError
from zero_shot_model.settings import read_settings


def test_the_defaults_are_those_of_the_container_contract() -> None:
    settings = read_settings([], {})
    assert (settings.port, settings.max_body_bytes) == (8080, 6 * 1024 * 1024)


def test_a_variable_sets_and_an_option_goes_over_it() -> None:
    environment = {"PORT": "9000", "THREADS": "3"}
    settings = read_settings(["--port", "9001"], environment)
    assert (settings.port, settings.threads) == (9001, 3)


def test_sagemakers_argument_may_be_there() -> None:
    assert read_settings(["serve", "--port", "9001"], {}).port == 9001


def test_an_empty_variable_counts_as_unset() -> None:
    settings = read_settings([], {"PORT": "", "MODEL_FILE": ""})
    assert (settings.port, settings.model_file) == (8080, None)


def test_files_may_lie_elsewhere() -> None:
    assert read_settings([], {"MODEL_FILE": "/models/model.onnx"}).model_file == Path("/models/model.onnx")


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        ([], {"PORT": "http"}, "PORT: expected a whole number from 0 to 65535, found 'http'"),
        (["--port", "70000"], {}, "--port: expected a whole number from 0 to 65535, found '70000'"),
        ([], {"THREADS": "0"}, "THREADS: expected a whole number from 1 to 256, found '0'"),
        ([], {"LOG_LEVEL": "loud"}, "LOG_LEVEL: expected one of debug, info, warning, error, found 'loud'"),
        (["--prot=1"], {}, "unrecognized arguments: --prot=1 (see --help)"),
        (["train"], {}, "invalid choice: 'train'"),
    ],
)
def test_a_mistake_names_the_setting_and_what_was_expected(
    arguments: list[str], environment: dict[str, str], message: str
) -> None:
    with pytest.raises(StartError) as caught:
        read_settings(arguments, environment)
    assert message in str(caught.value)
