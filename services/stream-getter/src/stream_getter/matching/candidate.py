"""What a rule looks at."""

from pipeline.contracts import Post
from stream_getter.matching.terms import normal


class Candidate:
    """A post before anybody has decided on it, with what its source knows and a Post does not tell.

    Of a ``reply`` or a ``quote`` the text is the post's own.
    """

    __slots__ = ("_links", "post", "quote", "reply", "text")

    def __init__(self, post: Post, *, reply: bool = False, quote: bool = False) -> None:
        self.post = post
        self.reply = reply
        self.quote = quote
        self.text = normal(post.text)
        self._links: list[str] | None = None

    @property
    def links(self) -> list[str]:
        """The post's links as they are compared."""
        if self._links is None:
            self._links = [normal(link) for link in self.post.links]
        return self._links
