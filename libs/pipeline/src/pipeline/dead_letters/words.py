"""Counts and ages as people read them."""

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))


def counted(number: int, thing: str) -> str:
    """Such as "1 message" or "2,000 messages"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def told_duration(seconds: float) -> str:
    """Seconds in their two largest units, rounded down: "2 d 3 h", "4 min 10 s", or "0 s"."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for unit, size in _UNITS:
        number, left = divmod(left, size)
        if number or (unit == "s" and not parts):
            parts.append(f"{number} {unit}")
        elif parts:
            break
    return " ".join(parts[:2])
