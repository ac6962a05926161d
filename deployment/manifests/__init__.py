"""Copilot's manifests, held against every field that Copilot knows: it drops what it does not know in silence.

``read_manifest`` reads one; ``python -m deployment.manifests`` checks all of them. The fields are those of Copilot
1.34: its documentation ("Backend Service manifest", "Environment manifest") and, where that is silent, its Go package
``manifest``. Left out on purpose, so that they are mistakes here: what Copilot calls deprecated, and what it reads for
a Backend Service but never uses.
"""

from deployment.manifests.reading import read_manifest

__all__ = ["read_manifest"]
