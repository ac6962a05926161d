"""What the command lines of the services' commands for people have in common."""

import argparse
import re
from typing import NoReturn

from pipeline.errors import UserMistake


class OneLineParser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line, a UserMistake: the usage text would hide what is wrong."""

    def error(self, message: str) -> NoReturn:
        """Raises UserMistake."""
        raise UserMistake(f"{message} (see {self.prog} --help)")


def text(given: str) -> str:
    """An argument that is not empty. Raises ArgumentTypeError."""
    if not given:
        raise argparse.ArgumentTypeError("expected a text that is not empty")
    return given


def whole_number(given: str, least: int, most: int | None, expected: str) -> int:
    """An argument from ``least`` to ``most`` in plain digits. Raises ArgumentTypeError, which says ``expected``."""
    if re.fullmatch(r"\d{1,9}", given, re.ASCII) and int(given) >= least and (most is None or int(given) <= most):
        return int(given)
    raise argparse.ArgumentTypeError(f"expected {expected}, got {given!r}")
