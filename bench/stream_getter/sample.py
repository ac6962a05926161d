"""Lines of X's stream without end: the posts of samples/, each time with another id."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

SAMPLE = Path(__file__).resolve().parents[2] / "samples/posts_dev.jsonl"
_FIRST_ID = 1_990_000_000_000_000_000


def sample_lines() -> Iterator[bytes]:
    """The sample's payloads round and round, users and rules included: some 1,100 bytes a line, with its end."""
    payloads = [json.loads(row)["post"] for row in SAMPLE.read_text(encoding="utf-8").splitlines()]
    # the id stands in the edit history too
    around = [json.dumps(each, ensure_ascii=False).encode().split(each["data"]["id"].encode()) for each in payloads]
    for number, pieces in enumerate(itertools.cycle(around), _FIRST_ID):
        yield (b"%d" % number).join(pieces) + b"\r\n"


def stamped_line(number: int, stamp_ns: int) -> bytes:
    """A post whose text is the time at which it was written, in nanoseconds of ``time.monotonic_ns``."""
    post = {"data": {"id": str(_FIRST_ID + number), "text": str(stamp_ns), "author_id": "1", "lang": "en"}}
    return json.dumps(post).encode() + b"\r\n"
