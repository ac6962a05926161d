"""The app-only bearer token of X's API, as requests takes it."""

import requests

from pipeline.errors import UserMistake


class BearerAuth(requests.auth.AuthBase):
    """As an auth object, so that no .netrc entry takes the header's place.

    Raises UserMistake for a token that no header can hold.
    """

    def __init__(self, token: str) -> None:
        # http.client refuses such a header with an error that holds all of it
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise UserMistake(
                "environment: X_BEARER_TOKEN: expected printable ASCII without blanks, got something else"
            )
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """As AuthBase has it."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def without_token(self, content: bytes) -> bytes:
        """The content, should a server or proxy have sent the token back in it, without that."""
        return content.replace(self._token.encode(), b"(the token)")
