"""The files for a team's monitoring stack are complete, and name metrics that exist."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
GRAFANA = ROOT / "configs/grafana"


def test_the_dashboard_is_the_one_that_its_script_writes():
    done = subprocess.run(
        [sys.executable, ROOT / "scripts/dashboards", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_panels_do_not_overlap_and_have_ids_of_their_own():
    panels = json.loads((GRAFANA / "dashboards/mc-sched.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels) > 15
    taken = set()
    for panel in panels:
        grid = panel["gridPos"]
        cells = {
            (grid["x"] + dx, grid["y"] + dy) for dx in range(grid["w"]) for dy in range(grid["h"])
        }
        assert not cells & taken
        taken |= cells


def test_data_sources_that_panels_name_are_provisioned():
    sources = yaml.safe_load((GRAFANA / "provisioning/datasources/mc-sched.yml").read_text())
    known = {source["uid"] for source in sources["datasources"]}
    text = (GRAFANA / "dashboards/mc-sched.json").read_text()
    assert set(re.findall(r'"uid": "(mc-[a-z-]+)"', text)) - {"mc-sched"} <= known


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs Debian's prometheus")
def test_promtool_accepts_the_shipped_files():
    config = ROOT / "configs/prometheus/prometheus.yml"
    done = subprocess.run(["promtool", "check", "config", config], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rules found" in done.stdout
