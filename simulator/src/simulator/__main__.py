"""The command: read the options, run until a signal comes."""

import os
import signal
import sys
from collections.abc import Sequence

from simulator.arguments import settings_from
from simulator.service import Simulator
from simulator.settings import Mistake


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the simulator; returns 0 after SIGTERM or SIGINT, 1 when playing failed, 2 for a mistake in the options."""
    try:
        settings = settings_from(sys.argv[1:] if arguments is None else arguments, os.environ)
        simulator = Simulator(settings)
    except Mistake as mistake:
        print(f"x-simulator: {mistake}", file=sys.stderr)
        return 2
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: simulator.request_stop())
    simulator.start()
    print(f"listening on {simulator.url}", flush=True)
    simulator.wait()
    try:
        simulator.stop()
    except OSError as error:
        print(f"x-simulator: playing ended early: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
