"""A cloud agent for the tests of sessions."""

import pytest

from tests.edge_agent.edge_rig import CLOUD
from tests.proto.session.fake_cloud_agent import FakeCloudAgent


@pytest.fixture
async def agent():
    """A fake cloud agent that serves until the end of the test."""
    agent = FakeCloudAgent(CLOUD)
    await agent.start()
    yield agent
    await agent.crash()
