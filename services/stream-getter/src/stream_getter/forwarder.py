"""From a source to the posts queue."""

from pipeline.acceptance import Acceptance
from pipeline.contracts import Post, encode
from pipeline.logs import OccasionalLog, get_logger
from pipeline.queue_writer import QueueWriter
from pipeline.recent_ids import RecentIds
from pipeline.trace import trace_attributes, tracing
from stream_getter.metrics import Metrics
from stream_getter.source import Source

log = get_logger(__name__)


class Forwarder:
    """Sends each post once, as far as a bounded memory of ids allows; a full buffer slows the source down."""

    def __init__(
        self,
        source: Source,
        writer: QueueWriter,
        recent: RecentIds,
        metrics: Metrics,
        occasionally: OccasionalLog,
    ) -> None:
        self._source = source
        self._writer = writer
        self._recent = recent
        self._metrics = metrics
        self._occasionally = occasionally

    def run(self) -> None:
        """Until the source ends."""
        for post in self._source.posts():
            if post.id in self._recent:
                self._metrics.posts_repeated.labels(post.source).inc()
                continue
            accepted = self._writer.put(encode(post), trace_attributes(post.trace_id))
            self._recent.add(post.id)
            accepted.add_done_callback(lambda done, post=post: self._settled(post, done))  # type: ignore[misc]

    def _settled(self, post: Post, done: Acceptance) -> None:
        error = done.exception()
        with tracing(post.trace_id):
            if error is None:
                log.debug("post sent", post_id=post.id)
                return
            reason = type(error).__name__
            self._metrics.posts_dropped.labels(reason).inc()
            self._occasionally.warning(log, reason, "a post was not sent", post_id=post.id, reason=str(error))
