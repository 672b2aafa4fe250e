"""Signal handlers are restored after tests that install some on the event loop."""

import asyncio
import signal

import pytest

DAEMON_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture
async def daemon_signals():
    """Remove the loop's handlers and restore the process's own, which may ignore a signal."""
    before = {number: signal.getsignal(number) for number in DAEMON_SIGNALS}
    yield
    for number, handler in before.items():
        asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(number, handler)
