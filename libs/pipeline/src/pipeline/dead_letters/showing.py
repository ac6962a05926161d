"""`dead-letters show`: messages whole, and all that is known of them."""

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from pipeline.dead_lettering import REASON, SERVICE, SOURCE_MESSAGE_ID
from pipeline.dead_letters.letter import REDRIVEN, DeadLetter
from pipeline.dead_letters.listing import remarks
from pipeline.dead_letters.options import ShowOptions
from pipeline.dead_letters.queues import Queue
from pipeline.dead_letters.tools import Tools
from pipeline.dead_letters.tries import in_one_line
from pipeline.dead_letters.words import counted, told_duration
from pipeline.errors import UserMistake
from pipeline.hostile_text import escaped, escaped_lines, one_line
from pipeline.trace import TRACE_ID

#: Characters of an id that are told back.
_ID_LENGTH = 100
#: Attributes that have a line of their own; the first three only where they are of this stay in the dead letters.
_WHY = (REASON, SERVICE, SOURCE_MESSAGE_ID)
_OF_THE_MESSAGE = (REDRIVEN, TRACE_ID)


def show_dead_letters(options: ShowOptions, tools: Tools) -> int:
    """The exit code. Raises UserMistake, also where there is no message of this id, and Unavailable."""
    queue = tools.queues.dead_letters(options.queue)
    look = tools.look_at(queue, options.visibility)
    found: list[DeadLetter] = []
    with tools.interruption:
        try:
            with in_one_line(f"queue {queue.name}"), tools.progress(queue.name, queue.count) as progress:
                for letters in look.batches():
                    found += [letter for letter in letters if _is_meant(letter, options)]
                    progress.show(look.looked_at)
                    if len(found) >= options.first:
                        break
        finally:
            tools.end(look)
    found = found[: options.first]
    shown = []
    for number, letter in enumerate(found):
        if options.json:
            shown.append(_as_json(letter, queue))
        else:
            tools.terminal.say(("\n" if number else "") + "\n".join(_lines(letter, queue)))
    if options.json:
        document = {"queue": options.queue, "name": queue.name, "messages": shown}
        tools.terminal.say(json.dumps(document, indent=2).replace("\x7f", "\\u007f"))
    if tools.interruption.stopped:
        return tools.interruption.exit_code
    if options.message_id and not found:
        told = "; ".join([f"got none among the {look.looked_at:,} looked at", *remarks(queue, look)])
        id_ = one_line(options.message_id, _ID_LENGTH)
        raise UserMistake(f"queue {queue.name}: expected a message with the id or source id {id_!r}, {told}")
    return 0


def _is_meant(letter: DeadLetter, options: ShowOptions) -> bool:
    return options.message_id in ("", letter.id, letter.source_message_id)


def _as_json(letter: DeadLetter, queue: Queue) -> dict[str, Any]:
    return {
        "id": letter.id,
        "reason": letter.reason,
        "service": letter.service,
        "source_message_id": letter.source_message_id,
        "sent_at": _time(letter).isoformat(timespec="milliseconds"),
        "age_seconds": max(0.0, round(queue.asked_at - letter.sent_at, 3)),
        "receive_count": letter.receive_count,
        "redriven": letter.redriven,
        "trace_id": letter.trace_id,
        "attributes": {name: _text(value) for name, value in letter.attributes.items()},
        "body": letter.body,
    }


def _lines(letter: DeadLetter, queue: Queue) -> Iterator[str]:
    age = told_duration(queue.asked_at - letter.sent_at)
    told = {
        "message": letter.id,
        "dead letters": queue.name,
        "reason": letter.reason,
        "service": letter.service,
        "source message": letter.source_message_id,
        "sent": f"{_time(letter):%Y-%m-%d %H:%M:%S} UTC, {age} ago",
        "received": f"{counted(letter.receive_count, 'time')}, looks like this one included",
        "redriven": counted(letter.redriven, "time"),
        "trace id": letter.trace_id,
    }
    for name, value in told.items():
        yield f"{name:<16}{escaped(value) or '-'}"
    told_above = _OF_THE_MESSAGE if letter.moved_by_sqs else (*_WHY, *_OF_THE_MESSAGE)
    for name, attribute in letter.attributes.items():
        if name not in told_above:
            yield f"attribute       {escaped(name)} = {escaped(_text(attribute))}"
    yield f"body            {counted(len(letter.body.encode()), 'byte')}"
    for line in escaped_lines(_pretty(letter.body)).split("\n"):
        yield f"    {line}"


def _pretty(body: str) -> str:
    """JSON laid out, and otherwise as it was: a key that is given twice stays so. Any other text as it is."""
    try:
        msgspec.json.decode(body)
        return msgspec.json.format(body, indent=2)
    except (msgspec.MsgspecError, RecursionError):
        return body


def _time(letter: DeadLetter) -> datetime:
    return datetime.fromtimestamp(letter.sent_at, UTC)


def _text(attribute: Mapping[str, Any]) -> str:
    if "BinaryValue" in attribute:
        return f"base64:{base64.b64encode(attribute['BinaryValue']).decode()}"
    return str(attribute.get("StringValue", ""))
