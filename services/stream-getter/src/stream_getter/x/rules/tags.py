"""How our own rules are told from those of others.

X keeps a value and a tag of a rule, nothing else. Values are the user's, so the tag has to show who put the rule there:
it begins with ``PREFIX``, and what the user wrote follows. No file need be kept of which rules are ours, no other
machine needs it, and X's own console shows it too. Tags need not differ: X tells rules apart by their values.
"""

PREFIX = "tweet-alerts/"


def tag_at_x(written: str | None) -> str:
    """The tag that a rule of config/alerts.yaml has at X; without one of the user's it is the prefix alone."""
    return PREFIX + (written or "")


def tag_as_written(tag: str) -> str:
    """The tag as the user wrote it, wherever the rule comes from: posts bring X's."""
    return tag.removeprefix(PREFIX)


def is_managed(tag: str) -> bool:
    """Whether a rule with this tag at X is one of ours."""
    return tag.startswith(PREFIX)
