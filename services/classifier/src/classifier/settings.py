"""Settings of classifier, from environment variables."""

from pipeline.settings import CommonSettings, Count, Text, Url


class Settings(CommonSettings, frozen=True, kw_only=True, rename="upper"):
    """Each field in capitals is a variable; services/classifier/README.md says what each means."""

    aws_region: Text
    posts_queue_url: Url
    posts_dead_letter_queue_url: Url
    alerts_queue_url: Url
    endpoint_name: Text
    alerts_config: Text = "config/alerts.yaml"
    workers: Count = 2
