"""How long to wait before the next connection, by the three backoff classes of X's documentation.

"Handling disconnections" of the filtered stream. An error or a rate limit is over once a stream delivers; trouble with
the network once a connection has held: a server that sends one post and hangs up must not be asked in a tight loop, for
X allows 50 connections in 15 minutes, and after that none for the rest of them.
"""

NETWORK_STEP = 0.25
NETWORK_LONGEST = 16.0
HTTP_FIRST = 5.0
HTTP_LONGEST = 320.0
RATE_LIMIT_FIRST = 60.0
#: Twice the 15 minutes of a rate limit's window: a longer wait cannot be needed.
RATE_LIMIT_LONGEST = 1800.0
#: Seconds after which a connection has held: at one in 18 s X's limit of connections is never reached.
HELD_SECONDS = 20.0


class ReconnectPolicy:
    """Seconds to wait after each way in which a connection can end."""

    def __init__(self) -> None:
        self._network = 0
        self._http = 0
        self._rate_limit = 0

    def delivered(self) -> None:
        """The stream has delivered a post: what refused it before is over."""
        self._http = self._rate_limit = 0

    def held(self) -> None:
        """The connection has held for a keep-alive's period: the next trouble is a new one."""
        self._network = self._http = self._rate_limit = 0

    def after_network_trouble(self) -> float:
        """Refused, reset, stalled, or ended: at once the first time, then 250 ms more each time, up to 16 s."""
        wait = min(NETWORK_LONGEST, NETWORK_STEP * self._network)
        self._network += 1
        return wait

    def after_http_error(self) -> float:
        """An HTTP status other than 200 and 429: 5 s, doubling up to 320 s."""
        wait = min(HTTP_LONGEST, HTTP_FIRST * 2.0 ** min(self._http, 10))
        self._http += 1
        return wait

    def after_rate_limit(self, seconds_to_reset: float | None) -> float:
        """HTTP 429: 60 s, doubling, and never before the limit's window turns (``x-rate-limit-reset``)."""
        wait = min(RATE_LIMIT_LONGEST, RATE_LIMIT_FIRST * 2.0 ** min(self._rate_limit, 10))
        self._rate_limit += 1
        return max(wait, min(seconds_to_reset or 0.0, RATE_LIMIT_LONGEST))

    def after_reset(self) -> float:
        """Stale connections were ended: as after the first HTTP error."""
        self._http = 0
        return self.after_http_error()
