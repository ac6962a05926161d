"""The accounts as text for a person."""

from collections import Counter
from collections.abc import Mapping, Sequence

from demo.accounts import Accounts, LabelQuality, SamplePost, compare


def summary(accounts: Accounts, sample: Mapping[str, SamplePost], labels: Sequence[str]) -> str:
    """Counts, delays and quality, from the ledgers alone."""
    delays = accounts.delays()
    rows: list[tuple[str, int | str, str]] = [
        ("posts sent", len(accounts.sent_at), f"and {accounts.repeats_sent} of them a second time"),
        ("judged", len(accounts.judged), ""),
        ("below threshold", len(accounts.judged) - len(accounts.due), ""),
        ("alerts", len(accounts.due), _per_label(accounts)),
        ("notifications", sum(accounts.notifications.values()), f"{len(accounts.told_twice)} posts told twice"),
    ]
    if delays:
        delay = f"median {_quantile(delays, 0.5):.2f} s, p95 {_quantile(delays, 0.95):.2f} s"
        rows.append(("post to alert", "", delay))
    lines = ["", "What was sent, against what arrived (from the ledgers of the simulator and the receiver)"]
    lines += [f"  {name:<16}{number!s:>5}  {note}".rstrip() for name, number, note in rows]
    lines += ["", "Labels against the sample's expectation, posts in English"]
    lines += _quality(compare(accounts, sample, labels, english=True))
    others = compare(accounts, sample, labels, english=False)
    expected, alerted, right = (sum(getattr(row, key) for row in others) for key in ("expected", "alerted", "right"))
    lines.append(
        f"  other languages, which the embedded model was not made for: {right} of {expected} found, "
        f"{alerted - right} false"
    )
    return "\n".join([*lines, "", _verdict(accounts)])


def _per_label(accounts: Accounts) -> str:
    counts = Counter(accounts.notified_label.values())
    return ", ".join(f"{label} {count}" for label, count in counts.most_common())


def _quality(rows: Sequence[LabelQuality]) -> list[str]:
    lines = [f"  {'':<16}{'expected':>9}{'alerted':>9}{'right':>7}{'precision':>11}{'recall':>8}"]
    for row in rows:
        precision = f"{row.right / row.alerted:.2f}" if row.alerted else "-"
        recall = f"{row.right / row.expected:.2f}" if row.expected else "-"
        lines.append(f"  {row.label:<16}{row.expected:>9}{row.alerted:>9}{row.right:>7}{precision:>11}{recall:>8}")
    return lines


def _verdict(accounts: Accounts) -> str:
    if accounts.balanced:
        return "Every post is accounted for."
    problems = {
        "never judged": accounts.unjudged,
        "due and not notified": accounts.missing,
        "notified without reason": accounts.unexpected,
        "notified twice": accounts.told_twice,
    }
    found = [f"{len(ids)} {what} ({', '.join(sorted(ids)[:3])})" for what, ids in problems.items() if ids]
    return "NOT every post is accounted for: " + ("; ".join(found) or "the stream was not played to its end")


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
