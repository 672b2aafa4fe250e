"""Signal handlers of the test process, which child processes partly inherit."""

import contextlib
import signal


@contextlib.contextmanager
def children_can_be_interrupted():
    """Start child processes that SIGINT ends, even if this process was started with it ignored.

    A shell starts background jobs of a script with SIGINT ignored. Children inherit that, while a
    handler is reset to the default when a child executes its program.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
