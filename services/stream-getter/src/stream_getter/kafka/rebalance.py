"""What happens when a group shares out its partitions anew."""

from collections.abc import Awaitable, Callable, Collection

from kafka import AsyncConsumerRebalanceListener, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from pipeline.logs import get_logger
from stream_getter.kafka.offsets import Offsets

log = get_logger(__name__)

#: Seconds that partitions are still held for what is under way, while all other members wait; a message is under way
#: for some 50 ms while its queue is well.
REVOKE_SECONDS = 0.8
#: Seconds of it that the client's network thread, with its heartbeats, stands still at a time.
_STEP_SECONDS = 0.05

Commit = Callable[[dict[TopicPartition, OffsetAndMetadata]], Awaitable[object]]


class Rebalance(AsyncConsumerRebalanceListener):  # type: ignore[misc]
    """Commits what is settled before partitions go; what is settled later is the next owner's to find out.

    Groups of this client share out all partitions at each rebalance (the eager protocol). It goes on where it was with
    those that it gets back, so what is known of them must outlast the rebalance.
    Runs in the client's network thread, while ``poll`` or ``close`` of the consumer waits for it.
    """

    def __init__(self, offsets: Offsets, commit: Commit) -> None:
        self._offsets = offsets
        self._commit = commit

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """They are still ours, until this returns; some may be again."""
        settled = False
        try:
            for _ in range(round(REVOKE_SECONDS / _STEP_SECONDS)):
                if settled := self._offsets.wait_until_settled(revoked, _STEP_SECONDS):
                    break
                await self._commit({})  # commits nothing, and lets the thread's other work go on
            if due := self._offsets.due(revoked):
                await self._commit({partition: OffsetAndMetadata(offset, "", -1) for partition, offset in due.items()})
        except KafkaError as error:
            log.warning("offsets not committed before a rebalance, some posts come again", reason=str(error))
        finally:
            self._offsets.give_up(revoked)
        if revoked:
            log.info("partitions given up", partitions=_numbers(revoked), all_settled=settled)

    async def on_partitions_lost(self, lost: Collection[TopicPartition]) -> None:
        """All that we had: they were given to others already, who may have committed."""
        self._offsets.forget()
        log.warning("partitions lost, some posts come again", partitions=_numbers(lost))

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """All that are ours now. Those that are new are read from what their last owner has committed."""
        self._offsets.keep(assigned)
        log.info("partitions assigned", partitions=_numbers(assigned))


def _numbers(partitions: Collection[TopicPartition]) -> list[int]:
    return sorted(partition.partition for partition in partitions)
