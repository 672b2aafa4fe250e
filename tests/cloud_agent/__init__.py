import pytest

pytest.register_assert_rewrite("tests.cloud_agent.cloud_rig")
