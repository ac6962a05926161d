"""Thresholds and goals in figures that say all of them: rounded up, a threshold keeps out what it was to let pass."""


def exact(number: float) -> str:
    """In six digits, such as ``0.55``, where these are the number itself; with all that it has otherwise."""
    short = f"{number:g}"
    return short if float(short) == number else repr(number)
