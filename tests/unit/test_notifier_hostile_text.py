"""What a post may not do to a subject line. What it may not do to a terminal is in test_pipeline_hostile_text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.hostile_text import ascii_subject
from tests.support.hostile_strategies import hostile_text


@given(hostile_text, st.integers(4, 99))
def test_a_subject_is_always_from_1_to_99_printable_ascii_characters(text: str, limit: int) -> None:
    subject = ascii_subject(text)
    assert 1 <= len(subject) <= 99
    assert subject.isascii()
    assert subject.isprintable()
    assert subject[0] != " "
    assert len(ascii_subject("a" * 200 + text, limit)) == limit


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
