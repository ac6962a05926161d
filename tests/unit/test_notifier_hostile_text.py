"""What a post may not do to a terminal or to a subject line."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from notifier.hostile_text import ascii_subject, one_line

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
#: Text as an attacker would write it: every character of Unicode, those that matter far more often.
hostile_text = st.lists(
    st.characters(exclude_categories=())
    | st.sampled_from(["\x1b", "[", "]", "\x9b", "\x9d", "\x9c", "\x07", "\\", ";", "3", "m", "\x1bP", "\ufffd", " "])
    | st.sampled_from(BIDI)
    | st.sampled_from("\u200b\u200d\ufeff\u2028\u2029\r\n\t\x00\x7f\x85\ud800"),
    max_size=60,
).map("".join)


@given(hostile_text, st.integers(1, 50))
@example("\x1b\x1b[31m[31m", 50)
@example("\x1b\u202e[31m", 50)
@example("\x9b\x9b0m0m", 50)
def test_nothing_that_a_terminal_acts_upon_survives(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert {unicodedata.category(char) for char in line}.isdisjoint({"Cc", "Cs", "Zl", "Zp"})
    assert not set(BIDI) & set(line)
    assert len(line) <= limit
    line.encode()  # would raise on a lone surrogate
    assert line == line.strip()


@given(hostile_text, st.integers(4, 99))
def test_a_subject_is_always_from_1_to_99_printable_ascii_characters(text: str, limit: int) -> None:
    subject = ascii_subject(text)
    assert 1 <= len(subject) <= 99
    assert subject.isascii()
    assert subject.isprintable()
    assert subject[0] != " "
    assert len(ascii_subject("a" * 200 + text, limit)) == limit


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=50))
@example("grüße, 東京 \u0623\u0647\u0644\u0627")
def test_letters_numbers_and_signs_stay(text: str) -> None:
    kept = text.replace("\ufffd[", "")
    assert one_line(kept, 1000) == " ".join(kept.split())


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[1;31;40mred", "red"),
        ("\x1b[2J\x1b[Hgone", "gone"),
        ("\x1b[?1049hother screen", "other screen"),
        ("\x9b31mred", "red"),
        ("\x1b]0;owned\x07title", "title"),
        ("\x1b]0;owned\x1b\\title", "title"),
        ("\x9d0;owned\x9ctitle", "title"),
        ("\x1b]8;;https://evil.example\x1b\\here\x1b]8;;\x1b\\", "here"),
        ("\x1bP+q544e\x1b\\device", "device"),
        ("\x1b_application\x1b\\after", "after"),
        ("\x1bcreset", "reset"),
        ("\x1b(0box", "box"),
        ("end\x1b", "end"),
        ("\ufffd[31mred", "red"),
    ],
)
def test_terminal_sequences_go_with_their_parameters(text: str, line: str) -> None:
    assert one_line(text, 100) == line


@pytest.mark.parametrize("mark", BIDI, ids=lambda mark: f"U+{ord(mark):04X}")
def test_marks_of_direction_are_taken_out(mark: str) -> None:
    assert one_line(f"invoice{mark}exe.txt", 100) == "invoiceexe.txt"


def test_letters_that_run_to_the_left_stay() -> None:
    assert one_line("زلزال قوي", 100) == "زلزال قوي"


@pytest.mark.parametrize("emoji", ["👩\u200d🚒", "👍🏽", "🇨🇱", "❤\ufe0f", "کتاب\u200cها"])  # noqa: RUF001 - Persian
def test_joiners_and_variants_stay(emoji: str) -> None:
    assert one_line(emoji, 100) == emoji


@pytest.mark.parametrize("char", ["\u200b", "\u2060", "\ufeff", "\u00ad", "\ufff9", "\U000e0041"])
def test_invisible_characters_are_taken_out(char: str) -> None:
    assert one_line(f"pass{char}word", 100) == "password"


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\r", "\t", "\x00", "\x0b", "\x85", "\u2028", "\u2029", "  "])
def test_every_kind_of_line_end_becomes_a_blank(separator: str) -> None:
    assert one_line(f"a{separator}b", 100) == "a b"


def test_lone_surrogates_become_blanks() -> None:
    assert one_line("a\ud83db", 100) == "a b"


@pytest.mark.parametrize(("text", "line"), [("abcd", "abcd"), ("abcde", "abc…")])
def test_a_line_is_cut_with_an_ellipsis(text: str, line: str) -> None:
    assert one_line(text, 4) == line


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("earthquake: Valparaíso", "earthquake: Valparaiso"),
        ("東京 flood", "flood"),
        ("東京", "(no text)"),
        ("", "(no text)"),
        ("flood\r\nBcc: everyone@example.com", "flood Bcc: everyone@example.com"),
        ("\x1b[31mred", "red"),
        ("ﬁre", "fire"),
        ("a" * 99, "a" * 99),
        ("a" * 100, "a" * 96 + "..."),
        ("a" * 95 + " b" * 5, "a" * 95 + "..."),
    ],
)
def test_subjects(text: str, subject: str) -> None:
    assert ascii_subject(text) == subject


@pytest.mark.parametrize("piece", ["\x1b[0", "\x9b", "\x1b]", "\x1bP", "\x1b ", "\ufffd[0;", "\u202e"])
def test_a_long_text_of_unfinished_sequences_is_done_with_in_one_pass(piece: str) -> None:
    # a regular expression that backtracks over this would run for hours
    assert len(one_line(piece * 30_000, 100)) <= 100
