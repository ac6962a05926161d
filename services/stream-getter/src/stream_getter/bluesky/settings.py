"""Settings of the source bluesky, from environment variables."""

from typing import Annotated

import msgspec

from pipeline.settings import CommonSettings, Seconds

Rewind = Annotated[float, msgspec.Meta(ge=0, le=129_600, title="a number of seconds from 0 to 129600, 36 hours")]

_PUBLIC = " ".join(
    f"wss://jetstream{number}.us-{coast}.bsky.network/subscribe" for number in (1, 2) for coast in ("east", "west")
)


class BlueskySettings(CommonSettings, frozen=True, kw_only=True, rename="upper"):
    """Each field in capitals is a variable; services/stream-getter/README.md says what each means."""

    alerts_config: str = ""
    # what it holds is checked by the source: a mistake here would be told with a password in it
    bluesky_urls: str = _PUBLIC
    bluesky_words: str = ""
    bluesky_langs: str = ""
    bluesky_rewind_seconds: Rewind = 5.0
    bluesky_rewind_other_host_seconds: Rewind = 60.0
    bluesky_stall_seconds: Seconds = 30.0
    bluesky_save_seconds: Seconds = 5.0
