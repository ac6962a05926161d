"""The command `classifier` that waits one second for an endpoint's answer instead of 20, for tests of time-outs."""

import classifier.endpoint

if __name__ == "__main__":
    # before the modules are loaded that take it from there
    classifier.endpoint.READ_TIMEOUT = 1.0
    from classifier.__main__ import main

    main()
