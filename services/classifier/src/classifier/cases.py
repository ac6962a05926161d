"""A post on its way through this service, and what comes of asking about it."""

from typing import NamedTuple

from classifier.endpoint_errors import ContentRefused
from classifier.labels import LabelSet, Scores
from classifier.same_text import key_of
from pipeline.contracts import Post
from pipeline.received_message import ReceivedMessage


def judged_text(post: Post) -> str:
    """What the model reads of a post: its own words, then those that it quotes."""
    return f"{post.text}\n{post.quoted_text}" if post.quoted_text else post.text


class Case:
    """A post and the message that brought it. ``label_set``: the labels that it is asked about, once it is.

    ``says`` is the same for texts that say the same.
    """

    __slots__ = ("label_set", "message", "post", "says", "text")
    label_set: LabelSet

    def __init__(self, message: ReceivedMessage, post: Post) -> None:
        self.message = message
        self.post = post
        self.text = judged_text(post)
        self.says = key_of(self.text)


class Judged(NamedTuple):
    """The model's scores, in the order of the label set's candidates."""

    scores: Scores
    model: str


class NotAsked(NamedTuple):
    """No label is for the rules that let the post through."""


#: What comes of asking about one text.
Answer = Judged | ContentRefused
Answered = tuple[Case, Judged | ContentRefused | NotAsked]
