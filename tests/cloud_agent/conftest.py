"""Makes this folder's helpers importable, and asserts in them readable."""

import sys
from pathlib import Path

import pytest

pytest.register_assert_rewrite("cloud_rig")
sys.path.insert(0, str(Path(__file__).parent))
