import pytest

HELPERS = ("deployment", "nodes", "two_nodes")
pytest.register_assert_rewrite(*[f"tests.system.{name}" for name in HELPERS])
