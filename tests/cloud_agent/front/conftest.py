"""Fixtures of the front's tests."""

import pytest

from tests.cloud_agent.front.front_rig import Agent


@pytest.fixture
async def start():
    """Starts agents, and stops them at the end."""
    started = []

    async def start(*workers, **limits):
        agent = Agent(*workers, **limits)
        started.append(agent)
        await agent.start()
        return agent

    yield start
    for agent in started:
        await agent.stop()


@pytest.fixture
async def agent(start):
    """An agent with one worker that holds its tasks."""
    return await start()
