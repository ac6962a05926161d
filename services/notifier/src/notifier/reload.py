"""A new configuration comes into force: its channels first, then its routes, and then the channels that are gone end.

In this order no delivery that a route calls for ever misses its channel. What was routed by the old configuration to a
channel that is gone goes to the dead letters, as after a restart.
"""

from collections.abc import Callable, Container, Mapping

from notifier.channel_workers import ChannelWorkers
from notifier.channels.contract import Channel
from notifier.routing import Router
from pipeline.alerts_config import AlertsConfig
from pipeline.config_at_start import ConfigInForce


class Reload:
    """See ``ConfigWatch.apply``. ``build`` makes the channels of a configuration but for those it is told to leave out.

    ``start`` runs a loop under a name. For one thread at a time.
    """

    def __init__(
        self,
        config: AlertsConfig,
        build: Callable[[AlertsConfig, str, Container[str]], Mapping[str, Channel]],
        workers: ChannelWorkers,
        router: Router,
        start: Callable[[str, Callable[[], None]], None],
    ) -> None:
        self._channels = config.channels
        self._build = build
        self._workers = workers
        self._router = router
        self._start = start

    def __call__(self, new: ConfigInForce) -> None:
        """Brings it into force. Raises UserMistake, and has changed nothing then, where a channel cannot be built."""
        channels = new.config.channels
        unchanged = {name for name, channel in channels.items() if self._channels.get(name) == channel}
        built = self._build(new.config, new.document.place, unchanged)
        for name, worker in self._workers.put(built).items():
            self._start(loop_of(name), worker.run)
        self._router.follow(new.config)
        self._workers.keep_only(channels)
        self._channels = channels


def loop_of(channel: str) -> str:
    """The name of the loop that delivers to a channel."""
    return f"channel {channel}"
