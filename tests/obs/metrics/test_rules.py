"""The shipped alerts, checked by promtool: each fires on its condition and on nothing else."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

RULES = Path(__file__).parents[3] / "configs/prometheus/rules.yml"
pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")

OUTCOMES = 'mc_tasks_total{instance="edge",outcome="%s",site="",exit=""}'
FINE = {
    OUTCOMES % "succeeded": "0+1000x60",
    OUTCOMES % "refused": "0+1x60",
    "mc_link_up{instance='edge'}": "1x60",
    "up{job='mc-edge',instance='edge'}": "1x60",
    "mc_log_lines_dropped_total{instance='edge'}": "0x60",
    "mc_prediction_coverage_ratio{instance='edge',predictor='local'}": "0.95x60",
    "mc_give_ups_total{instance='edge'}": "0+1x60",
    "mc_energy_joules_total{instance='edge',part='tasks'}": "0+50x60",
    "mc_certificate_expiry_timestamp_seconds{instance='edge',port='grpc'}": "9000000x60",
}
"""An hour with a sample per minute."""
WRONG = {
    "AgentDown": {"up{job='mc-edge',instance='edge'}": "0x60"},
    "DeadlinesMissed": {OUTCOMES % "succeeded": "0x60", OUTCOMES % "refused": "0+1000x60"},
    "LinkDown": {"mc_link_up{instance='edge'}": "0x60"},
    "PredictionsOff": {"mc_prediction_coverage_ratio{instance='edge',predictor='local'}": "0.5x60"},
    "GiveUpsRising": {"mc_give_ups_total{instance='edge'}": "0+500x60"},
    "LogLinesDropped": {"mc_log_lines_dropped_total{instance='edge'}": "0+1x60"},
    "CertificateEnds": {
        "mc_certificate_expiry_timestamp_seconds{instance='edge',port='grpc'}": "600000x60"
    },
}


def firing(folder, minutes=60, **series):
    """Return the alerts that fire at the end."""
    names = [r["alert"] for g in yaml.safe_load(RULES.read_text())["groups"]
             for r in g["rules"] if "alert" in r]  # fmt: skip
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "alert_rule_test": [{"eval_time": f"{minutes}m", "alertname": name} for name in names],
    }
    file = folder / "case.yml"
    text = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [case]}
    file.write_text(yaml.safe_dump(text))
    ran = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True)
    output = ran.stdout + ran.stderr
    assert "error" not in output.lower(), output
    return {name for name in names if f"alertname: {name}," in output}


def test_no_alert_fires_while_all_is_well(tmp_path):
    assert firing(tmp_path, **FINE) == set()


@pytest.mark.parametrize("alert", WRONG)
def test_an_alert_fires_on_its_condition_only(tmp_path, alert):
    assert firing(tmp_path, **{**FINE, **WRONG[alert]}) == {alert}


def test_a_task_that_costs_twice_the_joules_of_yesterday(tmp_path):
    day, later = 1440, 90
    tasks = {OUTCOMES % "succeeded": f"0+100x{day + later}"}
    joules = "mc_energy_joules_total{instance='edge',part='tasks'}"
    for now, fires in ((150, {"EnergyPerTaskRisen"}), (90, set())):
        series = {**tasks, joules: f"0+50x{day} {50 * day + now}+{now}x{later}"}
        assert firing(tmp_path, minutes=day + later, **series) == fires
