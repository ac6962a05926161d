"""The errors that services tell apart by kind."""


class UserMistake(Exception):
    """Something a user wrote is wrong. Its message is one line: what is wrong, where, and what was expected.

    Entry points print it and exit with code 2; it never carries a traceback to the user.
    """


class NotThere(UserMistake):
    """A file or object that a user named does not exist: a mistake, unless another may take its place."""


class Unavailable(Exception):
    """Something outside cannot be had now; the same try may succeed later. Its message is one line, as a UserMistake's.

    Where a start has waited for it long enough, entry points print it and exit with code 1.
    """


class ContractError(ValueError):
    """A message that can never be understood: not JSON, or not of the contract. Its place is the dead letters."""


class Unsendable(Exception):
    """A message that its queue can never accept (too large, refused characters). Raised to the message's owner."""


class WriterClosed(Exception):
    """A message that was still waiting when its writer closed: it was not accepted and its cause must be kept."""


class WriterCrashed(WriterClosed):
    """As WriterClosed, by a bug: the message may have been accepted, and its cause must be kept all the same."""
