"""X's address, led to somewhere else, for clients that know it as a constant."""

from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter


class ElsewhereAdapter(HTTPAdapter):
    """Sends what is asked of ``host`` to ``url``: to be mounted on a session under ``host``, its scheme included."""

    def __init__(self, host: str, url: str) -> None:
        super().__init__()
        self._host = host
        self._elsewhere = url

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """As HTTPAdapter does."""
        assert request.url is not None
        request.url = self._elsewhere + request.url.removeprefix(self._host)
        return super().send(request, stream, timeout, verify, cert, proxies)
