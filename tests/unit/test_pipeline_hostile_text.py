"""What a post may not do to a terminal."""

import json
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.hostile_text import escaped, escaped_lines, one_line
from tests.support.hostile_strategies import BIDI, hostile_text


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


@pytest.mark.parametrize("piece", ["\x1b[0", "\x9b", "\x1b]", "\x1bP", "\x1b ", "\ufffd[0;", "\u202e"])
def test_a_long_text_of_unfinished_sequences_is_done_with_in_one_pass(piece: str) -> None:
    # a regular expression that backtracks over this would run for hours
    assert len(one_line(piece * 30_000, 100)) <= 100


@given(hostile_text)
@example("\U000e0041\ud800")
def test_what_is_escaped_is_harmless_and_can_be_read_back(text: str) -> None:
    shown = escaped(text)
    assert {unicodedata.category(char) for char in shown}.isdisjoint({"Cc", "Cs", "Zl", "Zp"})
    assert not set(BIDI + "\u200b\ufeff\u00ad") & set(shown)
    as_json = json.dumps(text, ensure_ascii=False)
    assert json.loads(escaped(as_json)) == json.loads(json.dumps(text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", "\\u001b[31mred"),
        ("a\nb\tc", "a\\u000ab\\u0009c"),
        ("\x7f\x9b", "\\u007f\\u009b"),
        ("invoice\u202eexe.txt", "invoice\\u202eexe.txt"),
        ("\U000e0041", "\\udb40\\udc41"),
        ("\ud83d", "\\ud83d"),
        ("Grüße, 東京 👩\u200d🚒 زلزال", "Grüße, 東京 👩\u200d🚒 زلزال"),
    ],
)
def test_only_what_a_terminal_acts_upon_is_escaped(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_lines_stay_lines_and_nothing_else_ends_one() -> None:
    assert escaped_lines("a\nb\r\n\u2028c\x1b") == "a\nb\\u000d\n\\u2028c\\u001b"
