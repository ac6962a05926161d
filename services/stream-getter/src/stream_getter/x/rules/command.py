"""The one place that knows all parts of `stream-getter rules`."""

import random
import time
from collections.abc import Mapping, Sequence
from contextlib import closing

import requests

from pipeline.alerts_config import AlertsConfig, parse_alerts_config
from pipeline.aws import aws_client
from pipeline.backoff import Backoff
from pipeline.config_places import ConfigPlaces
from pipeline.dead_letters.confirmation import confirmed
from pipeline.dead_letters.interruption import Interruption
from pipeline.dead_letters.tools import Terminal
from pipeline.dead_letters.words import counted
from pipeline.errors import UserMistake
from pipeline.hostile_text import one_line
from pipeline.settings import read_settings
from stream_getter.x.auth import BearerAuth
from stream_getter.x.rules.api import RulesApi, Verdicts
from stream_getter.x.rules.application import Application, dry_run
from stream_getter.x.rules.arguments import ApplyOptions, CheckOptions, ListOptions, Options, PlanOptions, options_from
from stream_getter.x.rules.calls import RulesCalls, Waiting
from stream_getter.x.rules.plan import Plan, RuleAtX, check_cap, plan_of
from stream_getter.x.rules.settings import AccountSettings, FileSettings
from stream_getter.x.rules.showing import Colors, as_json, outcome_lines, plan_lines, table_lines, undone_lines
from stream_getter.x.rules.wanted import mistakes_in, wanted_rules

#: `plan --exit-code` where anything differs; 1 and 2 mean trouble and mistakes with every command here.
DIFFERENT = 3
_FAILED, _MISTAKEN = 1, 2
_LINE_LENGTH = 1000


def run(arguments: Sequence[str], environ: Mapping[str, str], terminal: Terminal) -> int:
    """The exit code: 0, 1 where X refuses or something was left undone, 2 for mistakes, 3 as DIFFERENT, 130 for Ctrl-C.

    Raises UserMistake, Unavailable, and KeyboardInterrupt for Ctrl-C while nothing is in hand and for a second one.
    Call it from the main thread.
    """
    options = options_from(arguments)
    if isinstance(options, CheckOptions):
        return _check(options, environ, terminal)
    account = read_settings(AccountSettings, environ)
    auth = BearerAuth(account.x_bearer_token)
    interruption = Interruption()
    rng = random.Random()
    with closing(requests.Session()) as session:
        waiting = Waiting(
            new_backoff=lambda: Backoff(0.5, 8.0, rng),
            pause=interruption.pause,
            sleep=time.sleep,
            now=time.time,
            clock=time.monotonic,
            remark=terminal.remark,
            longest=getattr(options, "wait", 0),
        )
        api = RulesApi(RulesCalls(session, account.x_api_url, auth, waiting))
        return execute(options, environ, terminal, api, interruption)


def execute(
    options: Options, environ: Mapping[str, str], terminal: Terminal, api: RulesApi, interruption: Interruption
) -> int:
    """Does what the options ask for, as ``run``."""
    match options:
        case ListOptions():
            return _list(options, terminal, api)
        case PlanOptions():
            return _plan(options, environ, terminal, api)
        case ApplyOptions():
            return _apply(options, environ, terminal, api, interruption)
        case _:
            raise TypeError(f"no command for {options}")


def _check(options: CheckOptions, environ: Mapping[str, str], terminal: Terminal) -> int:
    config, file = _config(options, environ)
    mistakes = list(mistakes_in(config, file, options.bounds))
    for mistake in mistakes:
        terminal.remark(f"stream-getter: {one_line(mistake, _LINE_LENGTH)}")
    if mistakes:
        return _MISTAKEN
    if config.rules is None:
        terminal.say(f"{file}: no rules: X's are left as they are")
    else:
        terminal.say(f"{file}: {counted(len(config.rules), 'rule')}, no mistake found; X's own verdict: plan")
    return 0


def _list(options: ListOptions, terminal: Terminal, api: RulesApi) -> int:
    rules = api.rules()
    if options.json:
        terminal.say(as_json(rules))
    elif rules:
        for line in table_lines(rules):
            terminal.say(line)
    else:
        terminal.say(f"no rules at {api.place}: its stream delivers nothing")
    return 0


def _plan(options: PlanOptions, environ: Mapping[str, str], terminal: Terminal, api: RulesApi) -> int:
    plan, verdicts, _ = _planned(options, environ, terminal, api)
    if verdicts.refused:
        return _FAILED
    return DIFFERENT if options.exit_code and plan.differences else 0


def _apply(
    options: ApplyOptions, environ: Mapping[str, str], terminal: Terminal, api: RulesApi, interruption: Interruption
) -> int:
    plan, verdicts, at_x = _planned(options, environ, terminal, api)
    if verdicts.refused:
        terminal.remark(f"stream-getter: nothing was done: X refuses {counted(len(verdicts.refused), 'rule')}")
        return _FAILED
    if not plan.changes:
        return _left(plan, terminal)
    others = sum(not retag.before.managed for retag in plan.retag)
    if (plan.delete or others) and not confirmed(terminal, _question(plan, others), yes=options.yes):
        return _FAILED
    with interruption:
        room = options.bounds.rules - len(at_x)
        outcome = Application(api, plan, room, lambda: interruption.stopped, interruption.pause).run()
    for line in outcome_lines(outcome, plan):
        terminal.say(line)
    for line in undone_lines(outcome):
        terminal.remark(line)
    if outcome.trouble:
        terminal.remark(f"stream-getter: {one_line(outcome.trouble, _LINE_LENGTH)}")
    if interruption.stopped:
        return interruption.exit_code
    if not outcome.complete:
        return _FAILED
    if outcome.added or outcome.retagged:
        terminal.remark("X needs some 20 s until its stream follows")
    return _left(plan, terminal)


def _left(plan: Plan, terminal: Terminal) -> int:
    """The exit code where all that may be done is done."""
    if not plan.taken:
        return 0
    what = counted(len(plan.taken), "wanted rule")
    terminal.remark(f"stream-getter: {what} not managed here, left as they were: --adopt takes them over")
    return _FAILED


def _planned(
    options: PlanOptions | ApplyOptions, environ: Mapping[str, str], terminal: Terminal, api: RulesApi
) -> tuple[Plan, Verdicts, list[RuleAtX]]:
    """The plan, shown; what X says of what is new in it; and the rules that X has."""
    config, file = _config(options, environ)
    wanted = wanted_rules(config, file, options.bounds)
    at_x = api.rules()
    plan = plan_of(wanted, at_x, adopt=options.adopt, delete_unmanaged=options.delete_unmanaged)
    check_cap(plan, file, options.bounds.rules)
    verdicts = dry_run(api, plan, options.bounds.rules - len(at_x))
    terminal.say(f"rules at {api.place}, to be as in {file}:")
    for line in plan_lines(plan, verdicts, Colors(terminal.out, environ)):
        terminal.say(line)
    return plan, verdicts, at_x


def _question(plan: Plan, others: int) -> str:
    parts = [f"delete {counted(len(plan.delete), 'rule')}"] if plan.delete else []
    parts += [f"take over {counted(others, 'rule')} of somebody else"] if others else []
    return " and ".join(parts)


def _config(options: Options, environ: Mapping[str, str]) -> tuple[AlertsConfig, str]:
    settings = read_settings(FileSettings, environ)

    def region() -> str:
        if not settings.aws_region:
            raise UserMistake("environment: AWS_REGION: expected a region such as us-east-1, got nothing")
        return settings.aws_region

    places = ConfigPlaces(
        options.config or settings.alerts_config,
        lambda: aws_client("s3", region()),
        lambda: aws_client("ssm", region()),
    )
    document = places.read()
    return parse_alerts_config(document.text, document.place), document.place
