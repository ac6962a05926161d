"""Requests to X's API with the bearer token, which stays in here: no error, log line or address ever holds it."""

from collections.abc import Mapping

import requests
from urllib3.exceptions import HTTPError

from pipeline.text import short_line
from stream_getter import __version__
from stream_getter.x.auth import BearerAuth
from stream_getter.x.redirects import without_redirects

#: Who asks, for X's support and whoever reads a proxy's log.
USER_AGENT = f"tweet-alerts/{__version__}"
CONNECT_SECONDS = 10.0
#: Seconds for an answer that is no stream.
ANSWER_SECONDS = 10.0
#: Bytes of an error's body that are read; X's problems are some hundred.
_ERROR_BODY_BYTES = 64 * 1024
_ERROR_BODY_READS = 64
#: Characters of a network error's words; a server has its say in them.
_ERROR_CHARACTERS = 300


class XApi:
    """X's API at ``api_url``. Not safe for several threads. Raises UserMistake for a token that no header can hold.

    A server's certificate is always checked; ``REQUESTS_CA_BUNDLE`` may name other authorities, and nothing switches
    the check off. Redirects are not followed: one would carry the token elsewhere, and X has none.
    """

    def __init__(self, session: requests.Session, api_url: str, bearer_token: str) -> None:
        self._session = without_redirects(session)
        self._url = api_url.rstrip("/")
        self._auth = BearerAuth(bearer_token)
        self._token = bearer_token

    def stream(self, path: str, query: Mapping[str, str], silence_seconds: float) -> requests.Response:
        """Opens a stream on a connection of its own; a silence of so long is an error. Raises RequestException.

        Whatever connections and cookies were kept are dropped before. So the host's name is looked up anew each time,
        and no socket is used that an earlier fault has left behind.
        """
        self._session.close()
        self._session.cookies.clear()
        return self._request("GET", path, query, silence_seconds)

    def ask(self, method: str, path: str, query: Mapping[str, str] | None = None) -> requests.Response:
        """Any other request; its answer is read by ``body_of``. Raises RequestException."""
        return self._request(method, path, query or {}, ANSWER_SECONDS)

    def address(self, path: str) -> str:
        """What a path stands for, for the log."""
        return self._url + path

    def without_token(self, text: str) -> str:
        """The text, should a server or proxy have sent the token back in it, without that."""
        return text.replace(self._token, "(the token)")

    def in_short(self, error: Exception) -> str:
        """The kind of error and its innermost words, for requests wraps each several times over: one harmless line."""
        inner: BaseException = error
        while inner.__cause__ or inner.__context__:
            inner = inner.__cause__ or inner.__context__ or inner
        # the token first: a cut may leave a part of it
        words = short_line(self.without_token(str(inner)), _ERROR_CHARACTERS)
        return f"{type(error).__name__}: {words}"

    def close(self) -> None:
        """Lets go of all connections."""
        self._session.close()

    def _request(self, method: str, path: str, query: Mapping[str, str], read_seconds: float) -> requests.Response:
        return self._session.request(
            method,
            self._url + path,
            params=query,
            headers={"User-Agent": USER_AGENT},
            auth=self._auth,
            stream=True,
            timeout=(CONNECT_SECONDS, read_seconds),
            allow_redirects=False,
            verify=True,
        )


def body_of(response: requests.Response) -> bytes:
    """The body of an answer that is no stream, as far as it comes and is not longer than such bodies are."""
    body = bytearray()
    try:
        for _ in range(_ERROR_BODY_READS):
            piece = response.raw.read1(_ERROR_BODY_BYTES - len(body), decode_content=True)
            body += piece
            if not piece or len(body) >= _ERROR_BODY_BYTES:
                break
    except (HTTPError, OSError):
        pass  # the status says enough, and what has come may say why
    return bytes(body)
