"""The order of play: files, repeats, and passes with fresh ids."""

from collections.abc import Iterator, Sequence

from simulator.payload import Post, post_ids_in, with_post_ids
from simulator.posts_file import payload_of_line
from simulator.snowflake import SnowflakeIds


def playlist(lines: Sequence[bytes], *, ids: SnowflakeIds, repeat_every: int | None, loop: bool) -> Iterator[Post]:
    """Every post in order; every Nth one a second time, right after the first.

    With `loop` it never ends. The first pass keeps the ids of the files; each later pass gives every post id
    a fresh one, the same wherever it is referred to in that pass, so that replies and retweets still point
    at their posts.
    """
    played = 0
    new_ids: dict[str, str] | None = None
    while True:
        for position, line in enumerate(lines):
            payload = payload_of_line(line)
            if new_ids is not None:
                for post_id in post_ids_in(payload):
                    if post_id not in new_ids:
                        new_ids[post_id] = ids.fresh()
                payload = with_post_ids(payload, new_ids)
            yield Post(payload, opens_new_pass=new_ids is not None and position == 0)
            played += 1
            if repeat_every is not None and played % repeat_every == 0:
                yield Post(payload, repeat=True)
        if not loop or not lines:
            return
        new_ids = {}
