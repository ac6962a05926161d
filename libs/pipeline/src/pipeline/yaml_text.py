"""YAML that people write: what is wrong with it is told in one line, with the line of the file."""

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.errors import UserMistake
from pipeline.text import cut

_FOUND_LENGTH = 120


def load_yaml(text: str, file: str) -> Any:
    """The document in a text; ``file`` is its name in errors. Raises UserMistake."""
    try:
        return YAML(typ="safe", pure=True).load(text)
    except DuplicateKeyError as error:
        # without the value, which may be as long as the file, or a secret
        found = _first_line(error.problem).partition(" with value ")[0]
        raise UserMistake(f"{file}: {_line(error)}expected each key once, got: {found}") from error
    except MarkedYAMLError as error:
        raise UserMistake(f"{file}: {_line(error)}expected YAML, got: {_first_line(error.problem)}") from error
    except (YAMLError, ValueError, RecursionError) as error:  # values such as 2026-13-01 raise a ValueError
        raise UserMistake(f"{file}: expected YAML, got: {_first_line(str(error))}") from error


def _line(error: MarkedYAMLError) -> str:
    return f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""


def _first_line(text: str | None) -> str:
    line = next(iter((text or "").strip().splitlines()), "something else")
    return cut(line.removeprefix("but "), _FOUND_LENGTH)
