"""Texts that mean harm, for Hypothesis."""

from hypothesis import strategies as st

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
#: Text as an attacker would write it: every character of Unicode, those that matter far more often.
hostile_text = st.lists(
    st.characters(exclude_categories=())
    | st.sampled_from(["\x1b", "[", "]", "\x9b", "\x9d", "\x9c", "\x07", "\\", ";", "3", "m", "\x1bP", "\ufffd", " "])
    | st.sampled_from(BIDI)
    | st.sampled_from("\u200b\u200d\ufeff\u2028\u2029\r\n\t\x00\x7f\x85\ud800"),
    max_size=60,
).map("".join)
