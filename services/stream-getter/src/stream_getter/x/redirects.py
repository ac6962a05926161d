"""Makes a session blind to redirects: one would carry the token elsewhere, and X has none."""

import requests


def without_redirects(session: requests.Session) -> requests.Session:
    """The session, for which a redirect is an answer as any other.

    ``allow_redirects=False`` alone does not do: requests then still works out where it would go (``Response.next``),
    reads the whole body for that, and raises ValueError for a place that is none.
    """
    session.get_redirect_target = lambda _response: None  # type: ignore[method-assign,assignment]
    return session
