"""The sources that SOURCE may name: a new one is a module or package with a ``build``, and a line here."""

from stream_getter.bluesky import source as bluesky
from stream_getter.file import source as file
from stream_getter.kafka import source as kafka
from stream_getter.source import Build
from stream_getter.x import source as x

SOURCES: dict[str, Build] = {
    "bluesky": bluesky.build,
    "file": file.build,
    "kafka": kafka.build,
    "x": x.build,
}
