"""What is classified: posts of all lengths, in an order without order, and labels for them."""

import itertools
import json
import random
from collections.abc import Mapping
from pathlib import Path

SAMPLES = Path(__file__).resolve().parents[2] / "samples"

_SUBJECTS = ("earthquake", "flood", "wildfire", "storm", "power outage", "train crash", "explosion", "cyber attack",
             "data leak", "product recall", "strike", "election", "football", "music", "cooking", "travel", "health",
             "science", "film", "business")  # fmt: skip
_PLACES = ("in town", "at sea", "abroad", "at night", "at work")


def posts(environment: Mapping[str, str]) -> list[str]:
    """The posts of samples/, and the labelled ones of the folder LABELLED_POSTS_DIR where it is set; shuffled."""
    lines = itertools.chain.from_iterable(
        path.read_text(encoding="utf-8").splitlines() for path in sorted(SAMPLES.glob("posts_*.jsonl"))
    )
    texts = [json.loads(line)["post"]["data"]["text"] for line in lines]
    folder = environment.get("LABELLED_POSTS_DIR")
    for path in sorted(Path(folder).glob("*.jsonl")) if folder else ():
        texts += [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
    random.Random(7).shuffle(texts)
    return texts


def repeated(texts: list[str], count: int) -> list[str]:
    """So many texts, round and round: the endpoint keeps no text, so a repetition costs as much."""
    return list(itertools.islice(itertools.cycle(texts), count))


def labels(count: int) -> list[str]:
    """So many labels, at most 120, each another."""
    everywhere = [f"{subject} {place}" for place in _PLACES for subject in _SUBJECTS]
    return [*_SUBJECTS, *everywhere][:count]


def request(texts: list[str] | str, label_count: int) -> bytes:
    """A whole HTTP request for the scores of one text or a list."""
    parameters = {"candidate_labels": labels(label_count), "multi_label": True}
    body = json.dumps({"inputs": texts, "parameters": parameters}, ensure_ascii=False).encode()
    head = f"POST /invocations HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body
