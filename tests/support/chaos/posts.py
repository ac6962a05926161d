"""What X sends: numbered posts, some of which people must hear of."""

import json
import random
from pathlib import Path

#: What the services are to look for, and what a post that is due therefore says.
LABEL = "flood"
_SHARE_DUE = 0.25
_FIRST_ID = 2_123_691_579_168_011_354
_WORDS = ("rain", "river", "street", "bridge", "market", "harbour", "evening", "school", "garden", "coffee", "music")


def write_posts(file: Path, count: int, rng: random.Random) -> None:
    """JSON lines as the simulator plays them and demo.accounts reads them. Every text is unlike all others."""
    with file.open("w", encoding="utf-8") as lines:
        for number in range(count):
            due = rng.random() < _SHARE_DUE
            words = [f"{number}:", *rng.choices(_WORDS, k=rng.randint(3, 40)), *([LABEL] if due else [])]
            id_ = str(_FIRST_ID + number)
            data = {
                "id": id_,
                "edit_history_tweet_ids": [id_],
                "text": " ".join(words),
                "author_id": "1",
                "created_at": "2026-11-20T08:15:03.000Z",
                "lang": "en",
            }
            user = {"id": "1", "name": "Ana", "username": "ana", "public_metrics": {"followers_count": 120}}
            post = {"data": data, "includes": {"users": [user]}, "matching_rules": [{"id": "1", "tag": "all"}]}
            row = {"expected": [LABEL] if due else [], "language": "en", "post": post}
            lines.write(json.dumps(row) + "\n")
