"""`dead-letters redrive` from the question to the account of what was done."""

from collections.abc import Iterator

from pipeline.dead_letters.confirmation import confirmed
from pipeline.dead_letters.listing import remarks
from pipeline.dead_letters.look import Ended, Look
from pipeline.dead_letters.move_task import MoveTask, NotSupported
from pipeline.dead_letters.options import RedriveOptions
from pipeline.dead_letters.pace import Pace
from pipeline.dead_letters.preview import preview
from pipeline.dead_letters.queues import Queue
from pipeline.dead_letters.redrive import Redrive, Tally
from pipeline.dead_letters.selection import Chosen
from pipeline.dead_letters.tools import Tools
from pipeline.dead_letters.tries import in_one_line
from pipeline.errors import Unavailable, UserMistake
from pipeline.hostile_text import one_line
from pipeline.sqs_rules import BATCH_ENTRIES

#: Seconds from the server's clock's reading to the first send. Its clock tells whole seconds: after one of them, and a
#: little for servers that differ, what is sent is of a later second than the run's start, and not chosen again.
_FIRST_SEND_SECONDS = 1.5
#: Reasons of failures that are told.
_MOST_REASONS = 10
#: Messages from which on SQS' own way is worth a hint.
_MANY = 20_000
_REASON_LENGTH = 200


def redrive_dead_letters(options: RedriveOptions, tools: Tools) -> int:
    """The exit code: 1 where a chosen message could not be redriven. Raises UserMistake and Unavailable."""
    dead_letters = tools.queues.dead_letters(options.queue)
    asked = tools.clock()
    home = tools.queues.home(options.queue, dead_letters)
    if options.dry_run:
        return preview(options, tools, dead_letters, f"would go back to {home.name}")
    pace = f"{options.rate:,} a second" if options.rate else "as fast as can be"
    question = f"send back to {home.name}, {pace}, {options.told(dead_letters.visible, dead_letters.name)}"
    if not confirmed(tools.terminal, question, yes=options.yes):
        return 1
    if options.by_server:
        try:
            return _by_server(options, tools, dead_letters, home)
        except NotSupported as error:
            tools.terminal.remark(f"this server has no StartMessageMoveTask ({error}): moving batch by batch instead")
    elif options.is_everything and dead_letters.visible > _MANY:
        tools.terminal.remark("for so many --by-server is faster: SQS moves them by itself, at up to 500 a second")
    return _by_batches(options, tools, dead_letters, home, asked)


def _by_batches(options: RedriveOptions, tools: Tools, dead_letters: Queue, home: Queue, asked: float) -> int:
    look = tools.look_at(dead_letters, options.visibility)
    chosen = Chosen(look, options.selection, dead_letters.asked_at, options.limit)
    pace = Pace(options.rate, tools.clock, tools.interruption.pause, first=asked + _FIRST_SEND_SECONDS)
    tally = Tally()
    redrive = Redrive(tools.sqs, tools.tries, home.url, look, pace, tally)
    # not more than a second's worth at a time: between two batches what is held must be kept hidden
    size = min(BATCH_ENTRIES, options.rate or BATCH_ENTRIES)
    trouble: UserMistake | Unavailable | None = None
    with tools.interruption:
        try:
            try:
                with in_one_line(f"redriving to {home.name}"), tools.progress(dead_letters.name, look.total) as bar:
                    for _ in redrive.run(chosen, size):
                        bar.show(look.looked_at, str(tally))
            except (UserMistake, Unavailable) as error:
                trouble = error
            redrive.finish()
            tools.end(look)
        finally:  # also for a second Ctrl-C
            for line in _account(tally, chosen, look, dead_letters, home):
                tools.terminal.say(line)
            if tools.interruption.stopped:
                tools.terminal.remark("stopped: what was not redriven is still in the dead letters")
    if trouble:
        raise trouble
    if tools.interruption.stopped:
        return tools.interruption.exit_code
    return 1 if tally.refused or tally.not_deleted else 0


def _account(tally: Tally, chosen: Chosen, look: Look, dead_letters: Queue, home: Queue) -> Iterator[str]:
    yield (
        f"redriven {tally.accepted:,} of {chosen.count:,} chosen,"
        f" of {look.looked_at:,} looked at in {dead_letters.name}, to {home.name}"
    )
    for reason, count in tally.refused.most_common(_MOST_REASONS):
        yield f"  {count:,} not accepted and left in the dead letters: {one_line(reason, _REASON_LENGTH)}"
    if tally.not_deleted:
        yield f"  {tally.not_deleted:,} accepted that could not be deleted: another run would send them again"
    if tally.in_doubt:
        yield f"  {tally.in_doubt:,} may have been accepted, no answer came: another run would send them again"
    if look.ended is not Ended.STOPPED:
        for remark in remarks(dead_letters, look):
            yield f"  {remark}"


def _by_server(options: RedriveOptions, tools: Tools, dead_letters: Queue, home: Queue) -> int:
    task = MoveTask(tools.sqs, tools.tries, dead_letters, home, tools.interruption, tools.sleep)
    with tools.interruption, in_one_line(f"moving {dead_letters.name} to {home.name}"):
        if not task.start(options.rate):
            tools.terminal.remark("SQS is moving this queue already: following that (Ctrl-C cancels it)")
        try:
            with tools.progress(dead_letters.name, task.to_move) as progress:
                status = task.follow(progress)
        except KeyboardInterrupt:
            tools.terminal.remark("SQS may still be moving messages: run the same command again to follow or cancel it")
            raise
    moved = f"moved about {task.moved:,} of about {task.to_move:,}"
    tools.terminal.say(f"{moved} from {dead_letters.name} to {home.name}: {status.lower()}")
    if status == "FAILED":
        raise Unavailable(f"the move task has failed: {one_line(task.failure, _REASON_LENGTH)}")
    return tools.interruption.exit_code if tools.interruption.stopped else 0
