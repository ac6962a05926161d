"""Settings of classifier, from environment variables."""

from pipeline.settings import CommonSettings, Count, Seconds, Text, Url


class Settings(CommonSettings, frozen=True, kw_only=True, rename="upper"):
    """Each field in capitals is a variable; services/classifier/README.md says what each means."""

    aws_region: Text
    posts_queue_url: Url
    posts_dead_letter_queue_url: Url
    alerts_queue_url: Url
    endpoint_name: Text
    model_name: str = ""
    alerts_config: Text = "config/alerts.yaml"
    config_reload_seconds: Seconds = 10.0
    workers: Count = 2

    @property
    def model(self) -> str:
        """The name of the model, as alerts carry it; the endpoint's name stands in for one that was not given."""
        return self.model_name or self.endpoint_name
