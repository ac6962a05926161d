"""Settings: environment variables, and command line options of the same names over them."""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

from zero_shot_model.errors import StartError

LOG_LEVELS = ("debug", "info", "warning", "error")
BACKENDS = ("minilm", "transformers")


def available_cores() -> int:
    """The cores this process may run on, where the system tells; else the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Settings:
    """What the server runs with. Sizes in bytes, times in seconds."""

    host: str
    port: int
    threads: int
    backend: str
    hf_model_id: str
    hf_model_revision: str
    hf_task: str
    model_file: Path | None
    tokenizer_file: Path | None
    log_level: str
    max_body_bytes: int
    max_inputs: int
    max_labels: int
    max_waiting: int
    max_waiting_texts: int
    max_waiting_bytes: int
    cached_labels: int
    body_seconds: int
    drain_seconds: int
    revision: str


@dataclass(frozen=True)
class _Option:
    """One setting: its default as text, how a text becomes a value, and its line in --help."""

    default: str
    read: Callable[[str], object]
    help: str


def read_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """The settings; a variable set to nothing counts as unset. Raises StartError, which names the setting."""
    options = _options()
    given = _parser(options).parse_args(arguments)
    values: dict[str, Any] = {}
    for field in fields(Settings):
        option = options[field.name]
        variable = field.name.upper()
        source, text = variable, environment.get(variable) or option.default
        from_command_line = getattr(given, field.name)
        if from_command_line is not None:
            source, text = f"--{field.name.replace('_', '-')}", from_command_line
        try:
            values[field.name] = option.read(text)
        except ValueError as error:
            raise StartError(f"{source}: expected {error}, found {text!r}") from None
    return Settings(**values)


def _options() -> dict[str, _Option]:
    return {
        "host": _Option("127.0.0.1", str, "address to listen on; 0.0.0.0 in a container"),
        "port": _Option("8080", _whole(0, 65535), "port to listen on; 0 takes a free one"),
        "threads": _Option(str(available_cores()), _whole(1, 256), "threads that run the model"),
        "backend": _Option("minilm", _one_of(BACKENDS), f"one of {', '.join(BACKENDS)}"),
        "hf_model_id": _Option("", str, "model of the hub or folder, for the backend transformers"),
        "hf_model_revision": _Option("", str, "branch, tag or commit of a model of the hub"),
        "hf_task": _Option("", str, "zero-shot-classification, if set"),
        "model_file": _Option("", _path, "model.onnx; by default the installed package's"),
        "tokenizer_file": _Option("", _path, "tokenizer.json; by default the installed package's"),
        "log_level": _Option("info", _one_of(LOG_LEVELS), f"one of {', '.join(LOG_LEVELS)}"),
        "max_body_bytes": _Option(
            str(6 * 1024 * 1024), _whole(1, 1 << 30), "largest body of request or answer; SageMaker's is 6 MiB"
        ),
        "max_inputs": _Option("512", _whole(1, 100_000), "most texts in a request"),
        "max_labels": _Option("100", _whole(1, 10_000), "most labels in a request"),
        "max_waiting": _Option("127", _whole(0, 1023), "most requests under way beside the first"),
        "max_waiting_texts": _Option("4096", _whole(1, 1_000_000), "most texts under way, of all requests"),
        "max_waiting_bytes": _Option(str(64 * 1024 * 1024), _whole(1, 1 << 34), "most bytes of bodies under way"),
        "cached_labels": _Option("4096", _whole(1, 1_000_000), "label vectors kept, of 1.5 KB each"),
        "body_seconds": _Option(
            "20", _whole(1, 3600), "longest time of a head or body to arrive, an answer to be read"
        ),
        "drain_seconds": _Option("15", _whole(1, 3600), "longest time that requests may take after SIGTERM"),
        "revision": _Option("unknown", str, "of the source; shown in the metric build_info"),
    }


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        expected = f"a whole number from {least} to {most}"
        try:
            value = int(text)
        except ValueError:
            raise ValueError(expected) from None
        if not least <= value <= most:
            raise ValueError(expected)
        return value

    return read


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _one_of(names: Sequence[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.lower() not in names:
            raise ValueError(f"one of {', '.join(names)}")
        return text.lower()

    return read


class _OneLineParser(argparse.ArgumentParser):
    """Reports a mistake as StartError instead of usage text and an exit."""

    def error(self, message: str) -> NoReturn:
        raise StartError(f"{message} (see --help)")


def _parser(options: Mapping[str, _Option]) -> argparse.ArgumentParser:
    parser = _OneLineParser(
        prog="zero-shot-model",
        description="A zero-shot text classifier behind SageMaker's container contract.",
        epilog="Each option can also be set by an environment variable of its name: PORT for --port.",
        allow_abbrev=False,
    )
    # SageMaker's documentation ("How Amazon SageMaker AI runs your inference image") starts a container so.
    parser.add_argument("command", nargs="?", choices=["serve"], help="may be left out")
    for name, option in options.items():
        default = f" (default {option.default})" if option.default else ""
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE", help=option.help + default)
    return parser
