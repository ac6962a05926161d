"""Settings from environment variables, typed by a msgspec Struct whose field names, in capitals, are the variables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec

from pipeline.errors import UserMistake

Url = Annotated[
    str,
    msgspec.Meta(pattern="^https?://[^ ]+$", title="a URL such as http://localhost:4566/000000000000/posts"),
]
Port = Annotated[int, msgspec.Meta(ge=0, le=65535, title="a port from 0 to 65535")]
Seconds = Annotated[float, msgspec.Meta(gt=0, le=1e7, title="a number of seconds above 0")]
Count = Annotated[int, msgspec.Meta(ge=1, title="a whole number from 1 up")]
Text = Annotated[str, msgspec.Meta(min_length=1, title="a text that is not empty")]

S = TypeVar("S", bound="CommonSettings")


class CommonSettings(msgspec.Struct, frozen=True, kw_only=True, rename="upper"):
    """What every service reads. boto3 reads more by itself: AWS_ENDPOINT_URL_SQS, credentials and so on."""

    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], msgspec.Meta(title="DEBUG, INFO, WARNING or ERROR")
    ] = "INFO"
    log_format: Annotated[Literal["json", "readable"], msgspec.Meta(title="json or readable")] = "json"
    telemetry_host: Text = "127.0.0.1"
    telemetry_port: Port = 9100
    revision: Text = "unknown"


def read_settings(kind: type[S], environ: Mapping[str, str]) -> S:
    """The settings of this kind from the environment; an empty variable counts as not set.

    A variable may also be given as the file that holds its value, NAME_FILE, as secrets are mounted.
    Raises UserMistake with one line that names the variable, what was expected, and what was found.
    """
    given = {}
    for field in msgspec.structs.fields(kind):
        name = field.encode_name
        value = environ.get(name, "") or _from_file(f"{name}_FILE", environ)
        if value:
            given[name] = _converted(name, value, field.type)
        elif field.required:
            raise UserMistake(f"environment: {name}: expected {_expectation(field.type)}, got nothing")
    return msgspec.convert(given, kind, strict=False)


def _from_file(name: str, environ: Mapping[str, str]) -> str:
    path = environ.get(name, "")
    if not path:
        return ""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserMistake(f"environment: {name}: expected a readable file, got {path!r} ({error})") from error


def _converted(name: str, value: str, type_: object) -> object:
    try:
        return msgspec.convert(value, type_, strict=False)
    except msgspec.ValidationError as error:
        raise UserMistake(f"environment: {name}: expected {_expectation(type_)}, got {value!r}") from error


def _expectation(type_: object) -> str:
    """The title that the field's type carries; a type without one describes itself."""
    schema = msgspec.json.schema(type_)
    return str(schema.get("title") or schema.get("type", "a value"))
