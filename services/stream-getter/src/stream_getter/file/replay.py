"""Files of posts as a Source with an end: from the first line, each time."""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import msgspec

from pipeline.contracts import Post
from pipeline.logs import OccasionalLog, get_logger
from pipeline.text import clean
from stream_getter.contract_json import NotAPost
from stream_getter.file.lines import parse_file_line
from stream_getter.file.pace import Pace
from stream_getter.file.progress import Progress
from stream_getter.file.reading import STDIN, STEP_SECONDS, Broken, chunks
from stream_getter.metrics import Metrics
from stream_getter.positions import Positions
from stream_getter.source import Arrival
from stream_getter.x.lines import LineSplitter

log = get_logger(__name__)

#: Bytes of one line.
LINE_LIMIT = 4 * 1024 * 1024
_LOOK_SECONDS = 0.05


class Replay:
    """See Source. It cannot be resumed: what a stop cut off comes again with the next start, and so does all before.

    ``run`` becomes part of each id, so that further stages do not take a replay for repeats of what it replays; empty
    keeps the ids as they are. With ``restamp`` posts are as new as their arrival. At the end it waits until the queue
    has accepted all, because the service ends then and would give a queue that is away only some seconds.
    """

    silence_seconds = STEP_SECONDS

    def __init__(
        self,
        paths: Sequence[str],
        pace: Pace,
        progress: Progress,
        metrics: Metrics,
        stopping: threading.Event,
        *,
        run: str,
        restamp: bool,
        now: Callable[[], datetime],
        new_trace_id: Callable[[], str],
        occasionally: OccasionalLog,
    ) -> None:
        self._paths = paths
        self._pace = pace
        self._progress = progress
        self._metrics = metrics
        self._stopping = stopping
        self._prefix = f"file:{run}:" if run else ""
        self._run = run
        self._restamp = restamp
        self._now = now
        self._new_trace_id = new_trace_id
        self._occasionally = occasionally
        self._positions: Positions[int] = Positions()
        self._posts = 0
        self._refused = 0
        self._bytes_before = 0
        self._bytes = 0

    def arrivals(self) -> Iterator[Arrival]:
        """See Source."""
        log.info("replaying", files=list(self._paths), run=self._run)
        self._metrics.stream_up.set(1)
        to_the_end = False
        try:
            for path in self._paths:
                for number, line in self._lines(path):
                    if post := self._post(path, number, line):
                        if not self._pace.wait(post.created_at):
                            return
                        self._posts += 1
                        self._progress.moved(self._bytes, self._posts)
                        yield Arrival(self._as_of_this_run(post), self._positions.arrived(self._posts))
            while self._positions.unsettled and not self._stopping.wait(_LOOK_SECONDS):
                pass
            to_the_end = not self._stopping.is_set()
        finally:
            self._metrics.stream_up.set(0)
            self._progress.ended()
            log.info(
                "replayed",
                posts=self._posts,
                lines_refused=self._refused,
                unsettled=self._positions.unsettled,
                to_the_end=to_the_end,
            )

    def stop(self) -> None:
        """See Source. Nothing waits for longer than a step."""

    def trouble(self) -> str | None:
        """See Source. What can go wrong with a file ends the service."""
        return None

    def close(self, seconds: float) -> None:
        """See Source. There is nothing to save."""

    def _lines(self, path: str) -> Iterator[tuple[int, bytes]]:
        """The lines of a file that are not empty, with their numbers."""
        splitter = LineSplitter(LINE_LIMIT)
        whole = too_long = position = 0
        try:
            for content, position in self._with_an_end(path):
                self._bytes = self._bytes_before + position
                for line in splitter.feed(content):
                    too_long = self._tell_too_long(path, whole, too_long, splitter.refused)
                    whole += 1
                    if line.strip():
                        yield whole + too_long, line
                too_long = self._tell_too_long(path, whole, too_long, splitter.refused)
                self._progress.moved(self._bytes, self._posts)
        except Broken as reason:
            self._refuse(path, whole + too_long + 1, "broken file", str(reason))
        self._bytes_before += position

    def _with_an_end(self, path: str) -> Iterator[tuple[bytes, int]]:
        """Chunks, with a line end behind the last one: a last line without it is a line too."""
        position = 0
        for content, position in chunks(path, self._stopping):
            yield content, position
        if not self._stopping.is_set():
            yield b"\n", position

    def _tell_too_long(self, path: str, whole: int, told: int, refused: int) -> int:
        """Tells of those that the splitter has refused after so many whole lines; how many are told of by now."""
        for before in range(told, refused):
            self._refuse(path, whole + before + 1, "too long", f"more than {LINE_LIMIT} bytes")
        return refused

    def _post(self, path: str, number: int, line: bytes) -> Post | None:
        try:
            return parse_file_line(line, self._now(), self._new_trace_id)
        except NotAPost as reason:
            self._refuse(path, number, reason.kind, str(reason))
            return None

    def _refuse(self, path: str, number: int, kind: str, reason: str) -> None:
        self._refused += 1
        self._metrics.lines_refused.labels(kind).inc()
        place = f"{'standard input' if path == STDIN else clean(path)}:{number}"
        self._occasionally.warning(log, kind, "a line of a file holds no post", line=place, reason=reason)

    def _as_of_this_run(self, post: Post) -> Post:
        # it may have waited for its turn since it was read
        now = self._now()
        changes: dict[str, object] = {"received_at": now}
        if self._restamp:
            changes["created_at"] = now
        if self._prefix:
            changes |= {
                name: self._prefix + id_
                for name, id_ in (("id", post.id), ("repost_of", post.repost_of), ("edit_of", post.edit_of))
                if id_
            }
        return msgspec.structs.replace(post, **changes)
