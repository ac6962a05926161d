"""The command `zero-shot-model`: read the settings, check the model they name, serve."""

import logging
import os
import sys
import threading
from collections.abc import Sequence

from zero_shot_model import backends, server
from zero_shot_model.errors import StartError
from zero_shot_model.settings import read_settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Exit code 0: asked to stop; 1: the model failed; 2: cannot start."""
    try:
        settings = read_settings(sys.argv[1:] if arguments is None else arguments, os.environ)
        log_format = "%(asctime)s %(levelname)s %(name)s: %(message)s"
        logging.basicConfig(level=settings.log_level.upper(), format=log_format)
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # the server says itself what it does
        code = server.serve(settings, backends.prepare(settings))
    except StartError as error:
        print(f"zero-shot-model: {error}", file=sys.stderr)
        code = 2
    if threading.active_count() > 1:
        # A model that still loads or runs is not waited for. At a usual end Python would join some of its threads and
        # end others within a library's code, which may abort the process.
        logging.shutdown()
        sys.stderr.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
