"""X's rules without X: what is surely wrong is told, and nothing else."""

import pytest

from stream_getter.x.rules.syntax import mistake_in

RIGHT = [
    "cat",
    '"a b" c',
    'a " b c "',
    '"and" b "or"',
    "AND1 order",
    "earthquake lang:en -is:retweet",
    "(flood OR flooding) (lang:en OR lang:de)",
    "cat -is:nullcast",
    "cat sample:10",
    "-(-cat)",
    "a -(b OR c) lang:en",
    "point_radius:[2.355128 48.861118 16km]",
    '"social media"~5',
    'url:"https://x.com/(a)"',
    "from:a OR from:b",
    "min_followers:1000",
    "😀",
    "#x $a @b",
    r'"a \" ( b"',
    'bio:"data engineer"',
    '-"x y" z',
    "(((a)))",
    "地震 OR 津波",
    "https://x.com OR x",
]


@pytest.mark.parametrize("value", RIGHT)
def test_what_x_takes_is_no_mistake(value: str) -> None:
    assert mistake_in(value) is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('"a b', "a closing quote for each opening one"),
        ('a " b "c"', "a closing quote for each opening one"),
        ("(a OR b", "a closing parenthesis for each opening one"),
        ("((a) b", "a closing parenthesis for each opening one"),
        ("a)", "an opening parenthesis for each closing one"),
        (")a(", "an opening parenthesis for each closing one"),
        ("a ()", "something within parentheses"),
        ("a -()", "something within parentheses"),
        ("OR a", "something on both sides of OR"),
        ("a OR", "something on both sides of OR"),
        ("(OR a)", "something on both sides of OR"),
        ("(a OR) b", "something on both sides of OR"),
        ("a OR OR b", "something on both sides of OR"),
        ("a -(OR b)", "something on both sides of OR"),
        ("a and b", 'a blank for "and"'),
        ("a AND b", 'a blank for "and"'),
        ("a or b", 'a blank for "and", OR for "or"'),
        ("- a", "something right after each -"),
        ("-a", "at least one word"),
        ("lang:en", "at least one word"),
        ("LANG:en", "at least one word"),
        ("-is:retweet", "at least one word"),
        ("lang:en -is:retweet has:links", "at least one word"),
        ("has:links OR is:retweet", "at least one word"),
        ("-(cat dog) lang:en", "at least one word"),
        ("-(-lang:en cat)", "at least one word"),
        ("embedding_threshold:0.45", "at least one word"),
        ("cat is:nullcast", "-is:nullcast"),
        ("cat -sample:10", "sample: without -"),
        ('-embedding:"b" cat', "embedding: without -"),
    ],
)
def test_what_x_refuses_is_told_before_it_does(value: str, said: str) -> None:
    mistake = mistake_in(value)
    assert mistake is not None
    assert mistake.startswith(f"expected {said}")
    assert ", got " in mistake
    assert "\n" not in mistake


@pytest.mark.parametrize("value", ["(" * 2048, '"' * 2047, "-" * 2048, '"\\' * 1000, "()" * 900, "a:[" * 600 + '"'])
def test_a_rule_as_long_as_may_be_is_judged_at_once(value: str) -> None:
    # a pattern that tries again from each place would not come back
    assert mistake_in(value)
