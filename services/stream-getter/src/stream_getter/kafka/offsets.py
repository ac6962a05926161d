"""How far the records of each partition are settled: the offsets that may be committed."""

import threading
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING

from stream_getter.positions import Positions

if TYPE_CHECKING:
    from kafka import TopicPartition


class Offsets:
    """Of the partitions that are ours at the moment. Safe for several threads.

    A record may come again while nobody knows yet what becomes of it: its partition was lost and won back while the
    queue was out of reach. The forwarder folds the second as a repeat and calls it settled at once, though
    the first may still be lost with this process. So both are settled by the first.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._partitions: dict[TopicPartition, Positions[int]] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._given_up: set[TopicPartition] = set()
        self._unsettled: dict[tuple[TopicPartition, int], list[Callable[[], None]]] = {}

    def not_begun(self, partitions: "Collection[TopicPartition]") -> "set[TopicPartition]":
        """Those of these partitions of which nothing is known here yet."""
        with self._changed:
            return set(partitions) - self._partitions.keys()

    def begin(self, partition: "TopicPartition", offset: int) -> None:
        """A partition is read from this offset on, which is due at once.

        A group without an offset of a partition would begin it somewhere else at each start.
        """
        with self._changed:
            self._partitions.setdefault(partition, Positions(offset - 1))

    def arrived(self, partition: "TopicPartition", offset: int) -> Callable[[], None]:
        """The next record of a partition; what is returned settles it."""
        with self._changed:
            settle = self._positions(partition).arrived(offset)
            place = (partition, offset)
            if earlier := self._unsettled.get(place):
                earlier.append(settle)
                return _leave_it_to_the_first
            self._unsettled[place] = [settle]
        return partial(self._settle, place)

    def passed(self, partition: "TopicPartition", offset: int) -> None:
        """The next record of a partition, which holds no post."""
        with self._changed:
            self._positions(partition).passed(offset)

    def due(self, partitions: "Collection[TopicPartition] | None" = None) -> "dict[TopicPartition, int]":
        """What to commit for these partitions, or for all: the offset after the last settled one, where it is new."""
        with self._changed:
            settled = {
                partition: positions.settled_up_to
                for partition, positions in self._partitions.items()
                if partition not in self._given_up and (partitions is None or partition in partitions)
            }
            return {
                partition: offset + 1
                for partition, offset in settled.items()
                if offset is not None and offset + 1 != self._committed.get(partition)
            }

    def committed(self, offsets: "dict[TopicPartition, int]") -> None:
        """The broker has taken these."""
        with self._changed:
            self._committed.update({tp: offset for tp, offset in offsets.items() if tp in self._partitions})

    def give_up(self, partitions: "Collection[TopicPartition]") -> None:
        """The group shares these out anew: nothing is due of them until ``keep`` tells which of them are still ours."""
        with self._changed:
            self._given_up.update(partitions)

    def keep(self, partitions: "Collection[TopicPartition]") -> None:
        """These and no others are ours. Those that were before go on where they were: nobody else had them."""
        with self._changed:
            self._given_up.clear()
            for partition in self._partitions.keys() - set(partitions):
                del self._partitions[partition]
                self._committed.pop(partition, None)

    def forget(self) -> None:
        """None is ours: what is settled from now on of what has come is never due, and all else comes again."""
        self.keep(())

    def wait_until_settled(self, partitions: "Collection[TopicPartition]", seconds: float) -> bool:
        """Waits up to ``seconds`` until every record of these partitions that has come is settled; whether all are."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not any(self._partitions[each].unsettled for each in partitions if each in self._partitions),
                seconds,
            )

    def _positions(self, partition: "TopicPartition") -> Positions[int]:
        return self._partitions.setdefault(partition, Positions())

    def _settle(self, place: "tuple[TopicPartition, int]") -> None:
        with self._changed:
            for settle in self._unsettled.pop(place, ()):
                settle()
            self._changed.notify_all()


def _leave_it_to_the_first() -> None:
    pass
