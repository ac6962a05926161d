"""`--dry-run`: which messages would be meant, without touching them."""

from pipeline.dead_letters.listing import Summary, reasons, remarks
from pipeline.dead_letters.options import ChangeOptions
from pipeline.dead_letters.queues import Queue
from pipeline.dead_letters.selection import Chosen
from pipeline.dead_letters.tools import Tools
from pipeline.dead_letters.tries import in_one_line
from pipeline.dead_letters.words import counted


def preview(options: ChangeOptions, tools: Tools, queue: Queue, what: str) -> int:
    """Says of how many messages it is true that they ``what``; the exit code. Raises UserMistake and Unavailable."""
    look, summary = tools.look_at(queue, options.visibility), Summary()
    chosen = Chosen(look, options.selection, queue.asked_at, options.limit)
    with tools.interruption:
        try:
            with in_one_line(f"queue {queue.name}"), tools.progress(queue.name, look.total) as progress:
                for letters in chosen.batches():
                    for letter in letters:
                        summary.add(letter)
                    progress.show(look.looked_at)
        finally:
            tools.end(look)
    tools.terminal.say(f"{counted(chosen.count, 'message')} of {look.looked_at:,} looked at in {queue.name} {what}")
    for line in reasons(summary):
        tools.terminal.say(line)
    for remark in remarks(queue, look) if options.limit is None else ():
        tools.terminal.say(f"  {remark}")
    return tools.interruption.exit_code if tools.interruption.stopped else 0
