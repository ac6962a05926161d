"""A stand-in for the X API v2 filtered stream: plays posts from files, keeps a ledger of every post it wrote.

In tests: ``with Simulator(Settings(bearer_token="t", posts=(path,))) as simulator:`` and then requests
to ``simulator.url``.
"""

from simulator.service import Simulator
from simulator.settings import Mistake, Settings

__all__ = ["Mistake", "Settings", "Simulator"]
