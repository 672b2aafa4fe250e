"""The simulator compared with the real daemons: the same scenarios run on both.

The live run starts both agents and the link emulator on this machine. The simulated run has the
same scenario, the agents' tables, and some measurements of the host from the live run's log: the
deviation of its times from the profile, the time to admit an image, and the round trip including
the agents' share. Decisions and answers are not copied.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mc_sched.core.task import Mode
from mc_sched.experiments.figures.latencies import draw_latencies
from mc_sched.experiments.findings import Figure, Findings, Table
from mc_sched.experiments.live import run_live
from mc_sched.experiments.measured_host import with_measured
from mc_sched.experiments.worker_pool import WorkerPool
from mc_sched.obs.report.running_summary import summarise
from mc_sched.obs.report.summary import RunInfo, TaskResult
from mc_sched.sim.build import world_of
from mc_sched.sim.scenario import EdgeGroupConfig, Scenario
from mc_sched.sim.world import simulate

TASKS = 600
LEARNING = 36
"""Number of first frames that are not counted, live and simulated."""
BUNDLE = "set-a"
SCENARIOS: dict[str, dict[str, Any]] = {
    "wifi": {
        "link": {"kind": "wifi"},
        "stream": {"deadline": "84ms"},
    },
    "4g": {
        "link": {"kind": "4g"},
        "stream": {"deadline": "200ms", "accuracy": 0.93},
    },
    "outages": {
        "link": {
            "kind": "wifi",
            "outages": [
                {"start": "8s", "duration": "500ms"},
                {"start": "14s", "duration": "3s"},
            ],
        },
        "stream": {"deadline": "84ms"},
    },
}
TARGETS = {"success_points": 3.0, "p50_pct": 10.0, "p95_pct": 20.0}


def findings(tasks: int, pool: WorkerPool) -> Findings:
    """Run all scenarios, one after the other, since each needs the whole machine."""
    pairs: dict[str, dict[str, list[TaskResult]]] = {}
    pool.report("fidelity", 0, len(SCENARIOS))
    for number, name in enumerate(SCENARIOS, start=1):
        pairs[name] = run_both(scenario_named(name, tasks))
        pool.report("fidelity", number, len(SCENARIOS))
    compared = {name: _compared(name, pair) for name, pair in pairs.items()}
    return Findings(
        name="fidelity",
        title="The real daemons and the simulator, the same scenario",
        report={"bundle": BUNDLE, "tasks": tasks, "targets": TARGETS, "scenarios": compared},
        table=_table(compared),
        notes=(
            "targets: success within 3 points, p50 within 10%, p95 within 20%; "
            "positive if the simulated value is higher",
        ),
        figures=[
            Figure(
                "fidelity",
                "Latencies of the real daemons and of the simulator, the same scenario",
                partial(draw_latencies, pairs),
            )
        ],
    )


def scenario_named(name: str, tasks: int) -> Scenario:
    """Return a scenario with so many counted tasks."""
    given = SCENARIOS[name]
    stream = {"tasks": tasks + LEARNING, "fps": 12, "accuracy": 0.75, **given["stream"]}
    edge = {"name": "edge", "mode": Mode.ENERGY, "link": given["link"], "stream": stream}
    return Scenario.model_validate({"bundle": {"name": BUNDLE}, "edges": [edge]})


def run_both(scenario: Scenario) -> dict[str, list[TaskResult]]:
    """Return the counted results, live and simulated, in order of submission."""
    with TemporaryDirectory(prefix="mc-sched-") as folder:
        live = asyncio.run(run_live(scenario, Path(folder)))
        measured, tables = with_measured(scenario, Path(folder) / "edge.jsonl")
    simulated: list[TaskResult] = []
    simulate(world_of(measured, tables), lambda edge, result: simulated.append(result))
    return {"live": _counted(live), "simulated": _counted(simulated)}


def _counted(results: list[TaskResult]) -> list[TaskResult]:
    return sorted(results, key=lambda result: result.submitted_s)[LEARNING:]


def _compared(name: str, pair: dict[str, list[TaskResult]]) -> dict[str, Any]:
    (group,) = scenario_named(name, 1).edges
    live, simulated = (summarise(results, _info(name, group)) for results in pair.values())
    latency = {p: (live["latency_ms"][p], simulated["latency_ms"][p]) for p in ("p50", "p95")}
    differences = {
        "success_points": 100 * (simulated["deadline_met"] - live["deadline_met"]),
        **{f"{p}_pct": 100 * (simulated_ms / live_ms - 1) if live_ms else 0.0
           for p, (live_ms, simulated_ms) in latency.items()},
    }  # fmt: skip
    return {
        "live": live,
        "simulated": simulated,
        "differences": differences,
        "within_targets": {key: abs(differences[key]) <= limit for key, limit in TARGETS.items()},
    }


def _info(name: str, group: EdgeGroupConfig) -> RunInfo:
    return RunInfo(group.policy, group.mode.value, name, 0.0)


def _table(compared: dict[str, dict[str, Any]]) -> Table:
    lines: Table = [("scenario", "value", "live", "simulated", "difference")]
    for name, found in compared.items():
        live, simulated, by = found["live"], found["simulated"], found["differences"]
        shares = (f"{s['deadline_met']:.1%}" for s in (live, simulated))
        lines.append((name, "success", *shares, f"{by['success_points']:+.1f} points"))
        for p in ("p50", "p95"):
            times = (f"{s['latency_ms'][p]:.1f} ms" for s in (live, simulated))
            lines.append((name, p, *times, f"{by[f'{p}_pct']:+.1f}%"))
        cloud = (f"{s['sites']['cloud'] / s['tasks']:.1%}" for s in (live, simulated))
        lines.append((name, "in the cloud", *cloud, ""))
    return lines
