import pytest

pytest.register_assert_rewrite("tests.edge_agent.edge_rig", "tests.edge_agent.fake_cloud_agent")
