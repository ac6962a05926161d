"""The workers of the channels in force, which come and go with the configuration."""

from collections.abc import Callable, Collection, Mapping

from notifier.channel_worker import ChannelWorker
from notifier.channels.contract import Channel


class ChannelWorkers:
    """One worker for each channel. ``by_name`` is what the delivery loop looks them up in.

    ``hire`` makes the worker of a channel; whoever calls ``put`` runs it. For one thread at a time.
    """

    def __init__(self, hire: Callable[[str, Channel], ChannelWorker]) -> None:
        self._hire = hire
        self.by_name: dict[str, ChannelWorker] = {}

    def put(self, channels: Mapping[str, Channel]) -> Mapping[str, ChannelWorker]:
        """Hands each channel to the worker of its name. Returns those that were hired for it, which are to be run."""
        hired = {}
        for name, channel in channels.items():
            if name in self.by_name:
                self.by_name[name].use(channel)
            else:
                hired[name] = self._hire(name, channel)
        self.by_name |= hired
        return hired

    def keep_only(self, names: Collection[str]) -> None:
        """All other workers are found no longer, deliver what they hold, and end."""
        for name in self.by_name.keys() - set(names):
            # in this order: what still finds it is refused, and put off until it finds none
            self.by_name.pop(name).retire()
