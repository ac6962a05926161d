"""Labelled posts, from a folder of JSON lines that is not part of this repository."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

#: The variable that names the folder.
VARIABLE = "LABELLED_POSTS_DIR"
FILES = {
    "crisis": "crisislex26_events_dev.jsonl",
    "security": "cti_ann_security_dev.jsonl",
    "stackoverflow": "stackoverflow_titles_dev.jsonl",
    "topics": "xtopic_en_dev.jsonl",
}
_NO_LABEL = "none"


class NoLabelledPosts(Exception):
    """The folder or a file of it cannot be read. The message is one line for the user."""


@dataclass(frozen=True)
class LabelledPosts:
    """One set. ``expected``, of shape (posts, labels), tells which labels each post has; it may have none."""

    name: str
    texts: Sequence[str]
    labels: Sequence[str]
    expected: npt.NDArray[np.bool_]

    @property
    def one_label_a_post(self) -> bool:
        """Whether no post has two labels, so that the best one may be chosen."""
        return bool(self.expected.sum(axis=1).max() <= 1)


def read_labelled(folder: str | None, name: str) -> LabelledPosts:
    """The set of that name (a key of FILES). Raises NoLabelledPosts."""
    if not folder:
        raise NoLabelledPosts(f"{VARIABLE}: expected a folder of labelled posts, got nothing")
    path = Path(folder, FILES[name])
    try:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        given = [{row["label"]} if isinstance(row["label"], str) else set(row["label"]) for row in rows]
        texts = [row["text"] for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NoLabelledPosts(f"{VARIABLE}: expected labelled posts in {path}, got {type(error).__name__}") from error
    labels = sorted(set().union(*given) - {_NO_LABEL})
    return LabelledPosts(name, texts, labels, np.array([[label in post for label in labels] for post in given]))
