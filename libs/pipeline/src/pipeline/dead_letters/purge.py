"""`dead-letters purge`: messages are deleted for good."""

from pipeline.dead_letters.confirmation import confirmed
from pipeline.dead_letters.listing import remarks
from pipeline.dead_letters.look import Ended
from pipeline.dead_letters.options import PurgeOptions
from pipeline.dead_letters.preview import preview
from pipeline.dead_letters.queues import Queue
from pipeline.dead_letters.selection import Chosen
from pipeline.dead_letters.tools import Tools
from pipeline.dead_letters.tries import in_one_line
from pipeline.errors import Unavailable, UserMistake


def purge_dead_letters(options: PurgeOptions, tools: Tools) -> int:
    """The exit code: 1 where a chosen message could not be deleted. Raises UserMistake and Unavailable."""
    queue = tools.queues.dead_letters(options.queue)
    if options.dry_run:
        return preview(options, tools, queue, "would be deleted")
    question = f"delete for good {options.told(queue.visible, queue.name)}"
    if not confirmed(tools.terminal, question, yes=options.yes):
        return 1
    return _everything(tools, queue) if options.is_everything else _chosen(options, tools, queue)


def _everything(tools: Tools, queue: Queue) -> int:
    with in_one_line(f"purging {queue.name}"):
        # not tried again: SQS takes one a minute (SQS API Reference: PurgeQueue), so that a second says nothing
        tools.sqs.purge_queue(QueueUrl=queue.url)
    tools.terminal.say(f"purged {queue.name} of about {queue.count:,} messages; SQS takes up to a minute for it")
    return 0


def _chosen(options: PurgeOptions, tools: Tools, queue: Queue) -> int:
    look = tools.look_at(queue, options.visibility)
    chosen = Chosen(look, options.selection, queue.asked_at, options.limit)
    deleted = left = 0
    trouble: UserMistake | Unavailable | None = None
    with tools.interruption:
        try:
            try:
                with in_one_line(f"purging {queue.name}"), tools.progress(queue.name, look.total) as progress:
                    for letters in chosen.batches():
                        failed = len(look.delete(letters)) if letters else 0
                        deleted, left = deleted + len(letters) - failed, left + failed
                        progress.show(look.looked_at, f"deleted {deleted:,}")
            except (UserMistake, Unavailable) as error:
                trouble = error
            tools.end(look)
        finally:  # also for a second Ctrl-C
            tools.terminal.say(
                f"deleted {deleted:,} of {chosen.count:,} chosen, of {look.looked_at:,} looked at in {queue.name}"
            )
            if left:
                tools.terminal.say(f"  {left:,} could not be deleted")
            for remark in remarks(queue, look) if look.ended is not Ended.STOPPED else ():
                tools.terminal.say(f"  {remark}")
    if trouble:
        raise trouble
    if tools.interruption.stopped:
        return tools.interruption.exit_code
    return 1 if left else 0
