"""Settings of the source x, from environment variables."""

from typing import Annotated, Literal

import msgspec

from pipeline.settings import CommonSettings, Seconds, Text, Url
from stream_getter.x.budgets import BudgetText

BackfillMinutes = Annotated[int, msgspec.Meta(ge=0, le=5, title="a whole number from 0 to 5")]
Readers = Annotated[int, msgspec.Meta(ge=1, le=2, title="1 or 2")]
PriceUsd = Annotated[float, msgspec.Meta(gt=0, le=1000, title="a price in dollars above 0")]
YesOrNo = Annotated[Literal["yes", "no"], msgspec.Meta(title="yes or no")]


class XSettings(CommonSettings, frozen=True, kw_only=True, rename="upper"):
    """Each field in capitals is a variable; services/stream-getter/README.md says what each means."""

    x_bearer_token: Text
    x_api_url: Url = "https://api.x.com"
    x_backfill_minutes: BackfillMinutes = 0
    stall_seconds: Seconds = 22.0
    x_readers: Readers = 1
    x_reset_stale_connections: YesOrNo = "no"
    x_post_price_usd: PriceUsd = 0.005
    x_budget_hour: BudgetText = ""
    x_budget_day: BudgetText = ""
    x_budget_month: BudgetText = ""
