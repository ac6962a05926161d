"""Settings of notifier, from environment variables."""

from pipeline.settings import CommonSettings, Seconds, Text, Url


class Settings(CommonSettings, frozen=True, kw_only=True, rename="upper"):
    """Each field in capitals is a variable; services/notifier/README.md says what each means."""

    aws_region: Text
    alerts_queue_url: Url
    alerts_dead_letter_queue_url: Url
    deliveries_queue_url: Url
    deliveries_dead_letter_queue_url: Url
    sns_topic_arn: str = ""
    alerts_config: Text = "config/alerts.yaml"
    config_reload_seconds: Seconds = 10.0
    delivery_lifetime_seconds: Seconds = 86_400.0
