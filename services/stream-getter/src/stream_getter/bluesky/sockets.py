"""Opens a connection within a time that holds for all addresses of a host together."""

import socket
import threading
from collections.abc import Callable


def open_socket(
    host: str, port: int, seconds: float, stopping: threading.Event, clock: Callable[[], float]
) -> socket.socket:
    """A socket that is connected to the host. Raises OSError.

    Its addresses are tried in turn, as many as there are, each with its share of what is left of ``seconds``, and none
    once ``stopping`` is set. (socket.create_connection gives each of them the whole time.) Names are looked up before
    that, for which the system's resolver has time-outs of its own.
    """
    failure: OSError = TimeoutError("no connection in time")
    addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    deadline = clock() + seconds
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        left = deadline - clock()
        if left <= 0 or stopping.is_set():
            break
        connection = None
        try:
            connection = socket.socket(family, kind, protocol)
            connection.settimeout(left / (len(addresses) - number))
            connection.connect(address)
        except OSError as error:
            failure = error
            if connection is not None:
                connection.close()
        else:
            connection.settimeout(None)
            return connection
    raise failure
