"""Settings of the source file, from environment variables."""

from typing import Annotated, Literal

import msgspec

from pipeline.settings import CommonSettings, Text

Pace = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(full|recorded|[0-9]{1,9}(\.[0-9]{1,9})?/s)$", title="full, recorded, or a rate such as 20/s"
    ),
]
RunId = Annotated[
    str, msgspec.Meta(pattern="^[A-Za-z0-9._-]{1,64}$", title="up to 64 letters, digits, dots, - and _, or nothing")
]
Factor = Annotated[float, msgspec.Meta(gt=0, le=1e9, title="a factor above 0")]
YesNo = Annotated[Literal["yes", "no"], msgspec.Meta(title="yes or no")]


class FileSettings(CommonSettings, frozen=True, kw_only=True, rename="upper"):
    """Each field in capitals is a variable; services/stream-getter/README.md says what each means."""

    file_path: Text
    file_pace: Pace = "full"
    file_speed: Factor = 1.0
    file_restamp: YesNo = "no"
    file_keep_ids: YesNo = "no"
    file_run_id: RunId = ""
