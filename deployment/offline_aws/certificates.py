"""TLS certificates for the hosts of AWS, by an authority that exists for one run and is trusted by nobody else."""

import ssl
import threading
from pathlib import Path

import trustme


class Certificates:
    """Issues a certificate for each host at its first use."""

    def __init__(self) -> None:
        self._authority = trustme.CA()
        self._lock = threading.Lock()
        self._contexts: dict[str, ssl.SSLContext] = {}

    def write_authority(self, file: Path) -> None:
        """Writes what a client must trust (PEM)."""
        self._authority.cert_pem.write_to_path(str(file))

    def context(self, host: str) -> ssl.SSLContext:
        """What a server that plays ``host`` needs."""
        with self._lock:
            if host not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._authority.issue_cert(host).configure_cert(context)
                self._contexts[host] = context
            return self._contexts[host]
