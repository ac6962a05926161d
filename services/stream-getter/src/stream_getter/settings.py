"""Settings of stream-getter, from environment variables."""

from typing import Annotated

import msgspec

from pipeline.settings import CommonSettings, Count, Seconds, Text, Url

BackfillMinutes = Annotated[int, msgspec.Meta(ge=0, le=5, title="a whole number from 0 to 5")]


class Settings(CommonSettings, frozen=True, kw_only=True, rename="upper"):
    """Each field in capitals is a variable; services/stream-getter/README.md says what each means."""

    aws_region: Text
    posts_queue_url: Url
    x_bearer_token: Text
    x_api_url: Url = "https://api.x.com"
    x_backfill_minutes: BackfillMinutes = 0
    stall_seconds: Seconds = 22.0
    max_buffered_mb: Count = 64
    remembered_ids: Count = 100_000
