"""Budgets as a user writes them, ``5000 posts`` or ``25 USD``, in posts."""

import re
from decimal import Decimal
from typing import Annotated, NamedTuple

import msgspec

from pipeline.errors import UserMistake

EXPECTED = "a budget such as 5000 posts, 25 USD or $25"
_NUMBER = r"([0-9]{1,12})"
_AMOUNT = r"([0-9]{1,9}(?:\.[0-9]{1,6})?)"

BudgetText = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^ *({_NUMBER} *[Pp][Oo][Ss][Tt][Ss]?|{_AMOUNT} *[Uu][Ss][Dd]|\$ *{_AMOUNT}) *$", title=EXPECTED
    ),
]


class Budget(NamedTuple):
    """How many posts may be read within a window, and how the user said it."""

    posts: int
    said: str


def parsed_budget(variable: str, text: str, post_price_usd: float) -> Budget | None:
    """The budget in a variable's text; None for an empty one. An amount buys whole posts only, so it is rounded down.

    Raises UserMistake, also for a budget that not one post fits into.
    """
    text = text.strip()
    if not text:
        return None
    found = re.fullmatch(rf"{_NUMBER} *posts?", text, re.IGNORECASE)
    if found:
        posts = int(found[1])
        said = f"{posts} posts"
    else:
        found = re.fullmatch(rf"(?:\$ *{_AMOUNT}|{_AMOUNT} *USD)", text, re.IGNORECASE)
        if not found:
            raise UserMistake(f"environment: {variable}: expected {EXPECTED}, got {text!r}")
        amount = Decimal(found[1] or found[2])
        # a float's shortest decimal is what the user wrote; its binary value would make 4999 posts of 25 USD
        posts = int(amount / Decimal(repr(post_price_usd)))
        said = f"{amount} USD ({posts} posts)"
    if posts < 1:
        raise UserMistake(
            f"environment: {variable}: expected a budget of one post ({post_price_usd:g} USD) or more, got {text!r}; "
            "leave it empty for no budget"
        )
    return Budget(posts, said)
