"""Text that Amazon SQS and UTF-8 accept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text import clean, cut


# as numbers: lone surrogates cannot be written to a report
@pytest.mark.parametrize(
    "refused",
    [0x0, 0x8, 0xB, 0xC, 0xE, 0x1B, 0x1F, 0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0xFFFE, 0xFFFF],
)
def test_a_refused_character_is_replaced(refused: int) -> None:
    assert clean(f"a{chr(refused)}b") == "a\ufffdb"


@pytest.mark.parametrize(
    "accepted",
    [
        "\t",
        "\n",
        "\r",
        " ",
        "~",
        "\x7f",
        "\x85",
        "é",
        "\u202e",
        "\ud7ff",
        "\ue000",
        "\ufffd",
        "\U00010000",
        "\U0010ffff",
    ],
)
def test_every_other_character_stays(accepted: str) -> None:
    assert clean(f"a{accepted}b") == f"a{accepted}b"


@given(st.text(st.characters(codec=None)))
def test_a_cleaned_text_can_be_encoded_and_is_as_long_as_before(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert len(cleaned) == len(text)
    assert clean(cleaned) == cleaned


def test_a_text_within_the_limit_stays_whole() -> None:
    assert cut("abc", 3) == "abc"


def test_a_longer_text_is_cut_with_an_ellipsis_within_the_limit() -> None:
    assert cut("abcd", 3) == "ab…"


def test_what_python_calls_printable_is_never_refused() -> None:
    printable = "".join(character for character in map(chr, range(0x110000)) if character.isprintable())
    # the line end takes the road that looks at each character
    assert clean(printable + "\n") == printable + "\n"
