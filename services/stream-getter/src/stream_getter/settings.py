"""Settings of stream-getter, from environment variables."""

from pipeline.settings import CommonSettings, Count, Seconds, Text, Url


class Settings(CommonSettings, frozen=True, kw_only=True, rename="upper"):
    """Each field in capitals is a variable; services/stream-getter/README.md says what each means."""

    aws_region: Text
    posts_queue_url: Url
    x_bearer_token: Text
    x_api_url: Url = "https://api.x.com"
    stall_seconds: Seconds = 30.0
    max_buffered_mb: Count = 64
    remembered_ids: Count = 100_000
