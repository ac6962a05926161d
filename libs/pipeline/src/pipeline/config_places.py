"""Where a configuration lies: in files, S3 objects and parameters of SSM, of which the first that exists counts.

``s3://bucket/alerts.yaml config/alerts.yaml`` lets a service be deployed before anybody has uploaded anything. Only
"there is no such object", parameter or file leads on to the next place. One that is there and may not be read, is
wrong, or cannot be reached must never bring another configuration into force in silence.
"""

import functools
import hashlib
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import NotThere, UserMistake
from pipeline.s3_object import S3Unchanged, read_s3_object, split_s3_place
from pipeline.ssm_parameter import SsmClient, name_in_ssm, read_ssm_parameter

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

#: Bytes that a configuration may have: many times what any has, and little for a small task's memory.
LIMIT = 1_048_576

#: Such as https://, or s3:/ with a slash too few: as a file's name it would never be found, and be passed over.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")


class ConfigDocument(NamedTuple):
    """A configuration as it was read. ``version`` changes with its content; ``missing`` are the places before it."""

    place: str
    version: str
    text: str
    missing: tuple[str, ...] = ()


class _Known(NamedTuple):
    etag: str
    document: ConfigDocument


class ConfigPlaces:
    """The places that ALERTS_CONFIG names, separated by blanks; quotes as in a shell hold a name with blanks together.

    ``s3`` and ``ssm`` make a client each and are called once, before the first object or parameter is read: files need
    neither network nor credentials. Raises UserMistake for places that cannot be. For one thread at a time.
    """

    def __init__(self, places: str, s3: Callable[[], "S3Client"], ssm: Callable[[], SsmClient]) -> None:
        self._places = _checked(places)
        self._s3 = functools.cache(s3)
        self._ssm = functools.cache(ssm)
        self._known: dict[str, _Known] = {}

    def read(self) -> ConfigDocument:
        """The configuration as it is now. Raises UserMistake, or Unavailable where the same may succeed later.

        To read again and again costs little: an object of S3 comes only where it has changed, and files and parameters
        are small.
        """
        missing: list[str] = []
        for place in self._places:
            try:
                return self._read(place)._replace(missing=tuple(missing))
            except NotThere:
                if len(self._places) == 1:
                    raise
                missing.append(place)
        raise UserMistake(
            f"environment: ALERTS_CONFIG: expected one place that exists, got nothing at {', '.join(missing)}"
        )

    def _read(self, place: str) -> ConfigDocument:
        if in_s3 := split_s3_place(place):
            return self._read_from_s3(place, *in_s3)
        if name := name_in_ssm(place):
            parameter = read_ssm_parameter(self._ssm(), name)
            return ConfigDocument(place, parameter.version, parameter.text)
        return read_config_file(Path(place))

    def _read_from_s3(self, place: str, bucket: str, key: str) -> ConfigDocument:
        known = self._known.get(place)
        try:
            found = read_s3_object(self._s3(), bucket, key, LIMIT, known.etag if known else None)
        except S3Unchanged:
            return self._known[place].document
        document = ConfigDocument(place, found.version, _decoded(found.content, place))
        self._known[place] = _Known(found.etag, document)
        return document


def read_config_file(path: Path) -> ConfigDocument:
    """One file. Raises NotThere, and UserMistake for one that cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(LIMIT + 1)
    except OSError as error:
        kind = NotThere if isinstance(error, FileNotFoundError) else UserMistake
        raise kind(f"{path}: expected a readable file, got: {error.strerror}") from error
    if len(content) > LIMIT:
        raise UserMistake(f"{path}: expected at most {LIMIT} bytes, got more")
    return ConfigDocument(str(path), f"sha256 {hashlib.sha256(content).hexdigest()[:12]}", _decoded(content, str(path)))


def _checked(places: str) -> Sequence[str]:
    try:
        names = shlex.split(places)
    except ValueError as error:
        raise _mistake("closed quotes", places) from error
    if not names or "" in names:
        raise _mistake("at least one file, s3://bucket/key or ssm:/parameter", places)
    for name in names:
        if _SCHEME.match(name) and not split_s3_place(name) and not name_in_ssm(name):
            raise _mistake("files, s3://bucket/key or ssm:/parameter", name)
    return names


def _mistake(expected: str, found: str) -> UserMistake:
    return UserMistake(f"environment: ALERTS_CONFIG: expected {expected}, got {found!r}")


def _decoded(content: bytes, place: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UserMistake(f"{place}: expected a readable file, got: not UTF-8") from error
