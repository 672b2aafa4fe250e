"""An edge agent for the tests of its service; other tests define an agent of their own."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.edge_agent.edge_rig import FAST_LOCAL
from tests.edge_agent.service_rig import Agent


@pytest.fixture
async def agent():
    """An edge agent with a fast local net, which serves until the end of the test."""
    made = Agent(local=FAST_LOCAL)
    with ThreadPoolExecutor(1) as pool:
        await made.start(pool)
        yield made
        await made.stop()
