"""Settings of stream-getter that hold for every source, from environment variables."""

from typing import Annotated

import msgspec

from pipeline.settings import CommonSettings, Count, Text, Url
from stream_getter.sources import SOURCES


class Settings(CommonSettings, frozen=True, kw_only=True, rename="upper"):
    """Each field in capitals is a variable; services/stream-getter/README.md says what each means.

    Sources have settings of their own beside these.
    """

    aws_region: Text
    posts_queue_url: Url
    alerts_queue_url: Url = ""
    source: Annotated[str, msgspec.Meta(pattern=f"^({'|'.join(SOURCES)})$", title=" or ".join(SOURCES))] = "x"
    state: str = ""
    max_buffered_mb: Count = 64
    remembered_mb: Count = 32
