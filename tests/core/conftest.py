"""Machines driven by hand. Each is validated after every event and brought to rest at teardown."""

import pytest

from tests.core.scripted_cloud import ScriptedCloud
from tests.core.scripted_edge import ScriptedEdge


@pytest.fixture
def make_edge():
    """Makes edge machines: `make_edge(max_uploads=1)`, `make_edge(cloud=None)`."""
    made = []

    def make(*tables, **options):
        made.append(ScriptedEdge(*tables, **options))
        return made[-1]

    yield make
    for edge in made:
        edge.wind_up()


@pytest.fixture
def edge(make_edge):
    """An edge machine with default settings that knows its local net, its link and its cloud."""
    return make_edge()


@pytest.fixture
def make_cloud():
    """Makes cloud machines: `make_cloud(max_tasks=1)`, `make_cloud(table)`."""
    made = []

    def make(*table, **options):
        made.append(ScriptedCloud(*table, **options))
        return made[-1]

    yield make
    for cloud in made:
        cloud.wind_up()


@pytest.fixture
def cloud(make_cloud):
    """A cloud machine with default settings whose stages run as profiled."""
    return make_cloud()
