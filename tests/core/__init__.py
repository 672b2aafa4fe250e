import pytest

pytest.register_assert_rewrite("tests.core.scripted_edge", "tests.core.scripted_cloud")
