"""Makes this folder's helpers importable, and asserts in them readable."""

import sys
from pathlib import Path

import pytest

pytest.register_assert_rewrite("edge_rig", "fake_cloud_agent")
sys.path.insert(0, str(Path(__file__).parent))
