import pytest

pytest.register_assert_rewrite("tests.edge_agent.edge_rig")
