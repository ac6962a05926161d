"""Which channels hear of an alert, and the deliveries that this makes."""

from collections.abc import Callable
from datetime import datetime, timedelta

from pipeline.alerts_config import AlertsConfig
from pipeline.contracts import VERSION, Alert, Delivery, DeliveryKind, LabelScore, Notice


class Router:
    """For each label the first matching route counts; a channel is told once, of all labels that led to it.

    Each message is routed by one configuration as a whole, the newest that ``follow`` was given.
    """

    def __init__(
        self,
        config: AlertsConfig,
        lifetime: timedelta,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
    ) -> None:
        self._config = config
        self._lifetime = lifetime
        self._now = now
        self._new_id = new_id

    def follow(self, config: AlertsConfig) -> None:
        """The next message is routed by this configuration. May be called from any thread."""
        self._config = config

    def deliveries(self, message: Alert | Notice) -> list[Delivery]:
        """One delivery for each channel to be told; the same alert always gives the same delivery ids."""
        config = self._config
        if isinstance(message, Notice):
            return [self._of_notice(message, channel) for channel in dict.fromkeys(config.ops)]
        labels_of: dict[str, list[LabelScore]] = {}
        for label in message.labels:
            for channel in _channels(config, label.name):
                labels_of.setdefault(channel, []).append(label)
        return [self._of_alert(message, channel, labels) for channel, labels in labels_of.items()]

    def _of_alert(self, alert: Alert, channel: str, labels: list[LabelScore]) -> Delivery:
        post = alert.post
        return Delivery(
            v=VERSION,
            id=f"{post.id}/{DeliveryKind.FIRST}/{channel}",
            story_id=post.id,
            kind=DeliveryKind.FIRST,
            channel=channel,
            labels=labels,
            post=post,
            links=post.links,
            first_seen=post.created_at,
            last_seen=post.created_at,
            expires_at=self._now() + self._lifetime,
            trace_id=post.trace_id,
        )

    def _of_notice(self, notice: Notice, channel: str) -> Delivery:
        # the same notice twice has the same time, so a repeat has the same id
        story_id = f"notice:{notice.service}:{notice.kind}:{notice.at.isoformat()}"
        return Delivery(
            v=VERSION,
            id=f"{story_id}/{channel}",
            story_id=story_id,
            kind=DeliveryKind.NOTICE,
            channel=channel,
            text=f"{notice.severity} from {notice.service}: {notice.text}",
            first_seen=notice.at,
            last_seen=notice.at,
            expires_at=self._now() + self._lifetime,
            trace_id=self._new_id(),
        )


def _channels(config: AlertsConfig, label: str) -> list[str]:
    route = next((route for route in config.routes if route.matches(label)), None)
    # a label may have left the configuration while its alert was under way
    return list(dict.fromkeys(route.channels)) if route else []
