"""Builds the source x."""

import threading

import requests

from pipeline.settings import read_settings
from stream_getter.source import Source, Surroundings
from stream_getter.x.api import XApi
from stream_getter.x.budgets import parsed_budget
from stream_getter.x.connections import stale_connections
from stream_getter.x.reconnect import ReconnectPolicy
from stream_getter.x.settings import XSettings
from stream_getter.x.spend import SpendGuard
from stream_getter.x.spend_guard import BudgetGuard
from stream_getter.x.spend_keeper import KeptBudgets, SpendKeeper
from stream_getter.x.spend_windows import Period
from stream_getter.x.stream import XStream
from stream_getter.x.usage import UsageReader


def build(around: Surroundings) -> Source:
    """See stream_getter.source. Raises UserMistake."""
    settings = read_settings(XSettings, around.environ)
    api = XApi(requests.Session(), settings.x_api_url, settings.x_bearer_token)
    stale = stale_connections(settings, api, around.metrics)
    return XStream(
        api,
        settings.stall_seconds,
        around.metrics,
        ReconnectPolicy(),
        around.stopping,
        now=around.now,
        new_trace_id=around.new_trace_id,
        occasionally=around.occasionally,
        guard=_guard(settings, around),
        backfill_minutes=settings.x_backfill_minutes,
        stale=stale,
    )


def _guard(settings: XSettings, around: Surroundings) -> SpendGuard:
    said = {
        Period.HOUR: ("X_BUDGET_HOUR", settings.x_budget_hour),
        Period.DAY: ("X_BUDGET_DAY", settings.x_budget_day),
        Period.MONTH: ("X_BUDGET_MONTH", settings.x_budget_month),
    }
    price = settings.x_post_price_usd
    budgets = {period: parsed_budget(variable, text, price) for period, (variable, text) in said.items()}
    wake = threading.Event()
    guard = BudgetGuard(budgets, price, around.now, around.stopping, wake)
    # a session of its own: the stream's thread may open a connection at the same time
    usage = UsageReader(XApi(requests.Session(), settings.x_api_url, settings.x_bearer_token))
    keeper = SpendKeeper(guard, around.state, usage, around.notices, around.now, wake)
    keeper.start()
    guard.export(around.metrics)
    return KeptBudgets(guard, keeper)
