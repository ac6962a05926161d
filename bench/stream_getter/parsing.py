"""How many posts a second one core can parse, nothing else being done."""

import time
from datetime import UTC, datetime
from itertools import islice

from bench.stream_getter.sample import sample_lines
from stream_getter.x.payload import parse_line

_ROUNDS = 5


def parse_posts_per_s(posts: int) -> float:
    """By processor time, the best of some rounds over so many lines: what others do on the machine only takes away."""
    lines = [line.rstrip() for line in islice(sample_lines(), posts)]
    now = datetime.now(UTC)
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.process_time()
        for line in lines:
            parse_line(line, now, "trace")
        best = min(best, time.process_time() - began)
    return posts / best
