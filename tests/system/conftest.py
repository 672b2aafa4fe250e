"""One deployment for most system tests, and the frames that they send."""

import time

import pytest
import pytest_asyncio

from tests.system.deployment import Deployment, mc_sched
from tests.system.nodes import obstacle, until
from tests.system.two_nodes import TwoNodes, all_succeed


@pytest.fixture(scope="session")
def frame_folder(tmp_path_factory):
    """Images of the generated set, with their labels."""
    folder = tmp_path_factory.mktemp("frames")
    ran = mc_sched("images", "--out", folder, "--count", 12)
    assert ran.code == 0, ran.err
    return folder


@pytest.fixture(scope="session")
def frames(frame_folder):
    """The bytes of these images."""
    return [path.read_bytes() for path in sorted(frame_folder.glob("*.jpg"))]


@pytest.fixture(scope="session")
def profiles(tmp_path_factory):
    """A directory for profiles, so that only the first agent of each kind has to measure."""
    return tmp_path_factory.mktemp("profiles")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running(profiles, frames, tmp_path_factory):
    """A cloud agent, a link and an edge agent, for the whole test run."""
    async with Deployment(tmp_path_factory.mktemp("deployment"), profiles, frames) as deployment:
        yield deployment


@pytest_asyncio.fixture(loop_scope="session")
async def deployment(running):
    """The running deployment in working order: over Wi-Fi, with the edge connected to the cloud."""
    await running.mend()
    yield running
    await running.mend()


@pytest.fixture(scope="session")
def booted(tmp_path_factory, frame_folder):
    """Two booted nodes; `first_image_s` is the time from their boot to the first outcome."""
    directory = tmp_path_factory.mktemp("nodes")
    if reason := obstacle(directory):
        pytest.skip(f"nodes cannot be booted: {reason}")
    two = TwoNodes(directory, frame_folder)
    try:
        two.make()
        for node in two.nodes:
            node.boot()
        start = time.monotonic()
        for node in two.nodes:
            until(lambda node=node: node.serves, what=f"{node.kind}: {node.journal()[-1500:]}")
        rows = two.stream("first", 1).rows()
        two.first_image_s = time.monotonic() - start
        all_succeed(rows)
        yield two
    finally:
        two.unmake()


@pytest.fixture
def two(booted):
    """The booted nodes in working order."""
    booted.wait_until_ready()
    return booted
