"""Posts without end: the texts of samples/, each time with another number, and reposts of them."""

import itertools
import random
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from bench.stream_getter.sample import SAMPLE, sample_lines
from pipeline.contracts import Post
from stream_getter.x.payload import parse_post

#: A post's number within its text, which makes it another text than all before; seven digits.
_NUMBER = re.compile(r"\((\d{7})\)")
_FIRST_NUMBER = 1_000_000


class Posts:
    """Gives each number once."""

    def __init__(self) -> None:
        now = datetime.now(UTC)
        rows = len(SAMPLE.read_text(encoding="utf-8").splitlines())
        self._texts = [_folded(parse_post(line, now, "bench")) for line in itertools.islice(sample_lines(), rows)]
        self._numbers = itertools.count(_FIRST_NUMBER)

    def distinct(self, count: int) -> list[Post]:
        """So many posts with a text each that no other post has."""
        return [self._next("") for _ in range(count)]

    def with_reposts(self, count: int, share: float, rng: random.Random) -> list[Post]:
        """So many posts, of which this share repeats one before: any of them, as likely as any other.

        Each post has a link. A repost begins with "RT @name:", and has another link or other capitals.
        """
        repeats = [number < count * share for number in range(count)]
        rng.shuffle(repeats)
        first = repeats.index(False)  # a repost has something before it
        repeats[0], repeats[first] = repeats[first], repeats[0]
        originals: list[Post] = []
        posts: list[Post] = []
        for is_repost in repeats:
            post = self._next(f" {_link(rng)}")
            if is_repost:
                post = replace(post, text=_reposted(rng.choice(originals).text, rng))
            else:
                originals.append(post)
            posts.append(post)
        return posts

    def _next(self, end: str) -> Post:
        number = next(self._numbers)
        post = self._texts[number % len(self._texts)]
        return replace(
            post, id=f"bench:{number}", trace_id=f"bench-{number}", text=f"{post.text} ({number}){end}", quoted_text=""
        )


def number_in(text: str) -> int | None:
    """The number that makes a post's text distinct; None for a text that is none of these."""
    found = _NUMBER.findall(text)
    return int(found[-1]) if found else None


def texts_of(posts: Sequence[Post]) -> list[str]:
    """What a model reads of them."""
    return [post.text for post in posts]


def _folded(post: Post) -> Post:
    """What a post quotes becomes part of its text, so that nothing depends on how the two are put together."""
    return replace(post, text=f"{post.text}\n{post.quoted_text}") if post.quoted_text else post


def _link(rng: random.Random) -> str:
    return f"https://t.co/{rng.randrange(36**6):08x}"


def _reposted(text: str, rng: random.Random) -> str:
    words, _, link = text.rpartition(" ")
    # of other alphabets some letters have no way back, and some know no capitals
    capitals = "".join(letter.upper() if letter.isascii() else letter for letter in words)
    if capitals == words or rng.random() < 0.5:
        link = _link(rng)
    else:
        words = capitals
    return f"RT @reader{rng.randrange(1000)}: {words} {link}"


def numbers(posts: Sequence[Post]) -> Iterator[int]:
    """Of each post the number in its text. Raises ValueError for a text without one."""
    for post in posts:
        number = number_in(post.text)
        if number is None:
            raise ValueError(f"{post.id}: expected a number in the text")
        yield number
