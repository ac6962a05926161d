"""The words of a notification, plain."""

from pipeline.contracts import Delivery, DeliveryKind
from pipeline.hostile_text import one_line

_TEXT_ON_A_LINE = 280


def headline(delivery: Delivery) -> str:
    """Time, label and score, author, text and link on one line that is safe to print."""
    time = delivery.last_seen.astimezone().strftime("%H:%M:%S")
    if delivery.kind is DeliveryKind.NOTICE or delivery.post is None:
        return f"{time}  NOTICE  {one_line(delivery.text, _TEXT_ON_A_LINE)}"
    post = delivery.post
    labels = ", ".join(f"{label.name} {label.score:.2f}" for label in delivery.labels)
    author = f"@{post.author.username}" if post.author.username else post.source
    parts = [time, labels, author, one_line(post.text, _TEXT_ON_A_LINE), post.url]
    return "  ".join(one_line(part, 400) for part in parts if part)


def full_text(delivery: Delivery, limit: int) -> str:
    """The headline and everything else that is known, a line each; at most ``limit`` (4,000 or more) characters."""
    if delivery.post is None:
        return one_line(delivery.text, limit)
    post = delivery.post
    author = f"{post.author.name} (@{post.author.username})" if post.author.username else "unknown author"
    followers = f", {post.author.followers:,} followers" if post.author.followers is not None else ""
    tail = [
        "",
        one_line(f"{author}{followers}", 200),
        f"{post.created_at:%Y-%m-%d %H:%M:%S} UTC",
        *([one_line(post.url, 400)] if post.url else []),
        *(one_line(link, 400) for link in delivery.links[:5]),
        "",
        one_line(", ".join(f"{label.name} {label.score:.2f}" for label in delivery.labels), 1_000),
    ]
    ending = "\n".join(tail)
    return one_line(post.text, max(1, limit - len(ending) - 1)) + "\n" + ending
