"""`dead-letters list`: how many lie in each queue, how old they are, and why they are there."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pipeline.dead_letters.letter import DeadLetter, constant_part
from pipeline.dead_letters.look import Ended, Look
from pipeline.dead_letters.options import ListOptions
from pipeline.dead_letters.queues import Queue
from pipeline.dead_letters.tools import Tools
from pipeline.dead_letters.tries import in_one_line
from pipeline.dead_letters.words import counted, told_duration
from pipeline.hostile_text import escaped

#: Kinds of reasons told apart for each queue. A reason may hold what a stranger wrote.
MOST_KINDS = 200
_OTHER = ("other reasons", "")


@dataclass
class Summary:
    """What is remembered of the messages of one queue, whatever their number. Times are in UNIX seconds."""

    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: dict[tuple[str, str], str] = field(default_factory=dict)
    oldest: float | None = None
    newest: float | None = None

    def add(self, letter: DeadLetter) -> None:
        """Counts a message by the kind of its reason and by its service."""
        kind = (constant_part(letter.reason), letter.service)
        if kind not in self.kinds and len(self.kinds) >= MOST_KINDS:
            kind = _OTHER
        self.kinds[kind] += 1
        self.examples.setdefault(kind, letter.id)
        self.oldest = letter.sent_at if self.oldest is None else min(self.oldest, letter.sent_at)
        self.newest = letter.sent_at if self.newest is None else max(self.newest, letter.sent_at)


def list_dead_letters(options: ListOptions, tools: Tools) -> int:
    """The exit code. Raises UserMistake and Unavailable."""
    told: list[dict[str, Any]] = []
    with tools.interruption:
        for name in [options.queue] if options.queue else tools.queues.names():
            queue = tools.queues.dead_letters(name)
            summary, look = _look_through(queue, options, tools)
            if options.json:
                told.append(_as_json(name, queue, summary, look))
            else:
                _write(name, queue, summary, look, tools)
            if tools.interruption.stopped:
                break
    if options.json:
        tools.terminal.say(json.dumps({"queues": told}, indent=2).replace("\x7f", "\\u007f"))
    return tools.interruption.exit_code if tools.interruption.stopped else 0


def _look_through(queue: Queue, options: ListOptions, tools: Tools) -> tuple[Summary, Look]:
    summary, look = Summary(), tools.look_at(queue, options.visibility)
    try:
        with in_one_line(f"queue {queue.name}"), tools.progress(queue.name, queue.count) as progress:
            for letters in look.batches():
                for letter in letters:
                    summary.add(letter)
                progress.show(look.looked_at)
    finally:
        tools.end(look)
    return summary, look


def _as_json(name: str, queue: Queue, summary: Summary, look: Look) -> dict[str, Any]:
    return {
        "queue": name,
        "name": queue.name,
        "url": queue.url,
        "approximate": {"visible": queue.visible, "in_flight": queue.in_flight, "delayed": queue.delayed},
        "looked_at": look.looked_at,
        "complete": look.ended is Ended.DRY,
        "oldest_age_seconds": _age(queue, summary.oldest),
        "newest_age_seconds": _age(queue, summary.newest),
        "reasons": [
            {"reason": reason, "service": service, "count": count, "example": summary.examples[reason, service]}
            for (reason, service), count in summary.kinds.most_common()
        ],
    }


def _write(name: str, queue: Queue, summary: Summary, look: Look, tools: Tools) -> None:
    say = tools.terminal.say
    say(f"{name}: {counted(look.looked_at, 'dead letter')} in {escaped(queue.name)}")
    if summary.oldest is not None and summary.newest is not None:
        oldest, newest = (told_duration(_age(queue, at) or 0) for at in (summary.oldest, summary.newest))
        say(f"  the oldest came {oldest} ago, the newest {newest} ago")
    for line in reasons(summary):
        say(line)
    for remark in remarks(queue, look):
        say(f"  {remark}")


def reasons(summary: Summary) -> Iterator[str]:
    """A line for each kind of reason, the most frequent first."""
    for (reason, service), count in summary.kinds.most_common():
        example = escaped(summary.examples[reason, service])
        yield f"  {count:>7,}  {escaped(service) or '-'}  {escaped(reason)}  (one is {example})"


def remarks(queue: Queue, look: Look) -> list[str]:
    """Where a pass may not have seen everything, and why."""
    told = []
    if look.ended is Ended.DRY and look.looked_at != queue.visible:
        told.append(
            f"counts disagree: SQS told of about {queue.visible:,} at the start (its counts are approximate),"
            f" {look.looked_at:,} were looked at"
        )
    if queue.in_flight:
        told.append(
            f"about {queue.in_flight:,} more were hidden at the start: in another's hands, or of a command that was"
            " killed, and visible again within minutes"
        )
    if queue.delayed:
        told.append(f"about {queue.delayed:,} more are delayed")
    if look.ended is Ended.FULL:
        told.append(f"no more than {look.looked_at:,} can be held at a time: there may be others")
    elif look.ended is Ended.STOPPED:
        told.append("stopped before the queue was dry: there may be others")
    return told


def _age(queue: Queue, at: float | None) -> float | None:
    return None if at is None else max(0.0, round(queue.asked_at - at, 3))
