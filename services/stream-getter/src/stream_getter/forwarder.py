"""From a source to the posts queue."""

from collections.abc import Callable
from functools import partial

from pipeline.acceptance import Acceptance
from pipeline.contracts import encode
from pipeline.errors import Unsendable
from pipeline.logs import OccasionalLog, get_logger
from pipeline.queue_writer import QueueWriter
from pipeline.recent_ids import RecentIds
from pipeline.trace import trace_attributes, tracing
from stream_getter.metrics import Metrics
from stream_getter.source import Source

log = get_logger(__name__)


class Forwarder:
    """Sends each post once, as far as a bounded memory of ids allows; a full buffer slows the source down.

    ``tells_each`` says whether each post that was sent is logged at DEBUG. Where the log takes none of these, not to
    ask it saves a tenth of a post's processor time.
    """

    def __init__(
        self,
        source: Source,
        writer: QueueWriter,
        recent: RecentIds,
        metrics: Metrics,
        occasionally: OccasionalLog,
        *,
        tells_each: bool = True,
    ) -> None:
        self._source = source
        self._writer = writer
        self._recent = recent
        self._metrics = metrics
        self._occasionally = occasionally
        self._tells_each = tells_each

    def run(self) -> None:
        """Until the source ends."""
        for post, settled in self._source.arrivals():
            self._metrics.arrived(post)
            if post.id in self._recent:
                self._metrics.posts_repeated.labels(post.source).inc()
                if settled:
                    settled()
                continue
            accepted = self._writer.put(encode(post), trace_attributes(post.trace_id))
            self._recent.add(post.id)
            # not the post itself: a full buffer would hold each twice, as an object and as JSON
            accepted.add_done_callback(partial(self._done, post.id, post.trace_id, settled))

    def _done(self, post_id: str, trace_id: str, settled: Callable[[], object] | None, accepted: Acceptance) -> None:
        error = accepted.exception()
        if settled and (error is None or isinstance(error, Unsendable)):
            settled()
        if error is None and not self._tells_each:
            return
        with tracing(trace_id):
            if error is None:
                log.debug("post sent", post_id=post_id)
                return
            reason = type(error).__name__
            self._metrics.posts_dropped.labels(reason).inc()
            self._occasionally.warning(log, reason, "a post was not sent", post_id=post_id, reason=str(error))
