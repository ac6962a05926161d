"""Builds the source file."""

import sys
import time

from pipeline.errors import UserMistake
from pipeline.settings import read_settings
from stream_getter.file.pace import Pace
from stream_getter.file.progress import Progress
from stream_getter.file.reading import STDIN, check
from stream_getter.file.replay import Replay
from stream_getter.file.settings import FileSettings
from stream_getter.source import Source, Surroundings


def build(around: Surroundings) -> Source:
    """See stream_getter.source. Raises UserMistake, also for a file that is not there."""
    settings = read_settings(FileSettings, around.environ)
    paths = settings.file_path.split()
    if not paths or paths.count(STDIN) > 1:
        raise UserMistake(
            f"environment: FILE_PATH: expected names of files, with - once at most, got {settings.file_path!r}"
        )
    sizes = [check(path) for path in paths]
    run = "" if settings.file_keep_ids == "yes" else settings.file_run_id or around.new_trace_id()[:8]
    return Replay(
        paths,
        _pace(settings, around),
        Progress(sys.stderr, sum(sizes) if all(sizes) else None, time.monotonic),
        around.metrics,
        around.stopping,
        run=run,
        restamp=settings.file_restamp == "yes",
        now=around.now,
        new_trace_id=around.new_trace_id,
        occasionally=around.occasionally,
    )


def _pace(settings: FileSettings, around: Surroundings) -> Pace:
    if settings.file_pace == "recorded":
        return Pace(around.stopping, time.monotonic, speed=settings.file_speed)
    if settings.file_speed != 1.0:
        raise UserMistake(
            f"environment: FILE_SPEED: expected none, it is for FILE_PACE=recorded, got {settings.file_speed:g}"
        )
    if settings.file_pace == "full":
        return Pace(around.stopping, time.monotonic)
    rate = float(settings.file_pace.removesuffix("/s"))
    if not rate:
        raise UserMistake(f"environment: FILE_PACE: expected a rate above 0, got {settings.file_pace!r}")
    return Pace(around.stopping, time.monotonic, per_second=rate)
