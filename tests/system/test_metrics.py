"""A Prometheus scrapes both agents, loads the rules and answers each query of the dashboard."""

import asyncio
import json
import shutil
import signal
import socket
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import pytest_asyncio
import yaml

from tests.system.deployment import CLOUD_ONLY, until

CONFIGS = Path(__file__).parents[2] / "configs"
DASHBOARD = json.loads((CONFIGS / "grafana/dashboards/mc-sched.json").read_text())
EXPRESSIONS = [
    (panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]
]
pytestmark = [
    pytest.mark.system,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(shutil.which("prometheus") is None, reason="needs Debian's prometheus"),
]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Prometheus:
    """Start Prometheus with the shipped configuration, other ports and a shorter interval."""

    def __init__(self, directory, edge, cloud):
        self.url = f"http://127.0.0.1:{free_port()}"
        text = (CONFIGS / "prometheus/prometheus.yml").read_text()
        config = yaml.safe_load(
            text.replace("127.0.0.1:9070", edge).replace("127.0.0.1:9071", cloud)
        )
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
        shutil.copy(CONFIGS / "prometheus/rules.yml", directory)
        self._said = (directory / "prometheus.stderr").open("wb")
        self._process = subprocess.Popen(
            ["prometheus", f"--config.file={directory}/prometheus.yml",
             f"--storage.tsdb.path={directory}/data", f"--web.listen-address={self.url[7:]}"],
            stdout=self._said, stderr=self._said, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def ask(self, path, **query):
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=10) as response:
            return json.load(response)["data"]

    def value(self, expression):
        return self.ask("query", query=expression)["result"]

    def stop(self):
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)
        self._said.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def prometheus(running, tmp_path_factory):
    """Prometheus, after it has scraped both working agents for some seconds."""
    await running.mend()
    server = Prometheus(
        tmp_path_factory.mktemp("prometheus"), running.edge_http, running.cloud_http
    )
    try:

        async def both_are_up():
            try:
                return len(await asyncio.to_thread(server.value, 'up{job=~"mc-.*"} == 1')) == 2
            except OSError:
                return False

        await until(both_are_up)
        for number in range(3):
            await running.stream(f"seen-{number}", count=20).outcomes()
            await running.stream(f"seen-here-{number}", count=5, policy="edge-only").outcomes()
            await running.stream(f"seen-deep-{number}", count=5, accuracy=CLOUD_ONLY).outcomes()
            await asyncio.sleep(2)
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS)
async def test_every_panel_has_data(prometheus, title, expression):
    query = expression.replace("$instance", ".*")

    async def has_data():
        found = await asyncio.to_thread(prometheus.value, query)
        return [row for row in found if row["value"][1] != "NaN"]

    assert await until(has_data), title


async def test_the_rules_are_loaded_and_healthy(prometheus):
    groups = (await asyncio.to_thread(prometheus.ask, "rules"))["groups"]
    rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
    shipped = yaml.safe_load((CONFIGS / "prometheus/rules.yml").read_text())["groups"]
    assert set(rules) == {r.get("alert") or r["record"] for g in shipped for r in g["rules"]}

    async def all_evaluated():
        found = (await asyncio.to_thread(prometheus.ask, "rules"))["groups"]
        return all(rule["health"] == "ok" for group in found for rule in group["rules"])

    assert await until(all_evaluated)


async def test_an_alert_fires_when_the_link_is_gone(prometheus, deployment):
    """It is pending at once; it would fire after a minute."""
    await deployment.cut_link()
    await deployment.cloud_is("down")

    async def pending():
        alerts = (await asyncio.to_thread(prometheus.ask, "alerts"))["alerts"]
        return "LinkDown" in {alert["labels"]["alertname"] for alert in alerts}

    assert await until(pending)


async def test_figures_agree_with_status(prometheus, deployment):
    await asyncio.sleep(2)
    status = await deployment.status()
    (row,) = await asyncio.to_thread(prometheus.value, 'sum(mc_tasks_total{outcome="succeeded"})')
    assert float(row["value"][1]) == status.outcomes["succeeded"] > 0
