"""The file of labelled posts: looked through once before anything is asked, then read again for each trial."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from classifier.evaluate.labelled_post import LabelledPost, NotLabelled, labelled_post
from pipeline.errors import UserMistake
from pipeline.hostile_text import one_line

#: The standard input's name on the command line.
STDIN = "-"
#: Bytes of one line, as large as a message of SQS may be.
_LINE_LIMIT = 1_048_576
#: Bytes of standard input that are kept in memory; what is more goes to a file that nobody else sees.
_IN_MEMORY = 16 * 1024 * 1024
#: Different labels of a file that are told apart; no configuration has as many.
_MOST_LABELS = 10_000

#: Characters of a path, as many bytes as Linux has for one (PATH_MAX).
_NAME_LENGTH = 4096

#: Whether a post is to be judged.
IsCounted = Callable[[LabelledPost], bool]


@dataclass
class Survey:
    """What is in the file. ``labels``: how many posts each label has, as the file names them.

    ``left_out`` are posts that are not counted, here or anywhere.
    """

    posts: int = 0
    left_out: int = 0
    labels: Counter[str] = field(default_factory=Counter)


class LabelledFile:
    """A file that can be read again and again. ``name`` is what errors call it."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.name = name
        self._stream = stream

    def survey(self, is_counted: IsCounted) -> Survey:
        """Looks at every line, so that a mistake is known before the first call. Raises UserMistake."""
        survey = Survey()
        for labelled in self._posts():
            if not is_counted(labelled):
                survey.left_out += 1
                continue
            survey.posts += 1
            survey.labels.update(labelled.labels)
            if len(survey.labels) > _MOST_LABELS:
                raise UserMistake(f"{self.name}:{labelled.line}: expected at most {_MOST_LABELS:,} labels, got more")
        if not survey.posts:
            got = "only examples of the configuration (--with-examples)" if survey.left_out else "an empty file"
            raise UserMistake(f"{self.name}: expected at least one labelled post, got {got}")
        return survey

    def again(self, survey: Survey, is_counted: IsCounted) -> Iterator[LabelledPost]:
        """The posts of the survey, in order. Raises UserMistake where the file has changed since."""
        count = 0
        for labelled in self._posts():
            if is_counted(labelled):
                count += 1
                if count > survey.posts:
                    break
                yield labelled
        if count != survey.posts:
            raise UserMistake(f"{self.name}: expected a file that stays as it is, got another number of posts")

    def _posts(self) -> Iterator[LabelledPost]:
        self._stream.seek(0)
        number = 0
        while line := self._stream.readline(_LINE_LIMIT + 1):
            number += 1
            if len(line) > _LINE_LIMIT:
                raise UserMistake(f"{self.name}:{number}: expected at most {_LINE_LIMIT:,} bytes a line, got more")
            if not line.strip():
                continue
            try:
                # what Windows' editors put before the first line is no part of it
                yield labelled_post(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line, number)
            except NotLabelled as mistake:
                raise UserMistake(f"{self.name}:{number}: {one_line(str(mistake), 400)}") from mistake


@contextmanager
def opened(place: str, stdin: Callable[[], BinaryIO]) -> Iterator[LabelledFile]:
    """The file at a path, or of standard input, which is copied first. Raises UserMistake.

    Its name is the path as it can be shown and sent on: that of a file is bytes, which need be no UTF-8.
    """
    if place == STDIN:
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as copy:
            shutil.copyfileobj(stdin(), copy)
            yield LabelledFile(copy, "standard input")  # type: ignore[arg-type]
        return
    name = one_line(place, _NAME_LENGTH)
    try:
        stream = Path(place).open("rb")  # noqa: SIM115 - its context begins below, for other errors are not the file's
    except OSError as error:
        raise UserMistake(f"{name}: expected a readable file, got: {error.strerror}") from error
    with stream:
        if not stream.seekable():
            raise UserMistake(f"{name}: expected a file; from a pipe, give {STDIN}")
        yield LabelledFile(stream, name)


def told_counts(counts: Sequence[tuple[str, int]], most: int = 8) -> str:
    """Labels with their numbers of posts in one line, such as ``'typhoon' (50), 'haze' (12)``."""
    told = ", ".join(f"{one_line(repr(name), 60)} ({count:,})" for name, count in counts[:most])
    return told + (f" and {len(counts) - most:,} more" if len(counts) > most else "")
