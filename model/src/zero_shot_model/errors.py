"""The errors that end the start of the program or refuse a request."""


class StartError(Exception):
    """The program cannot start as it was called. The message is one line for the user; the exit code is 2."""


class BadRequest(ValueError):
    """A request that can never succeed. The message is one line for the caller; the status is 400."""


class QueueFull(Exception):
    """As many requests wait for the model as are allowed. The caller may try again; the status is 503."""


class EncoderClosed(Exception):
    """The encoder was told to stop before it had finished. The status is 503."""


class CallerGone(Exception):
    """The caller has closed the connection, so nobody waits for the answer any more."""
