import pytest

pytest.register_assert_rewrite(
    "tests.edge_agent.edge_rig",
    "tests.proto.session.fake_cloud_agent",
    "tests.proto.session.noting_edge",
)
