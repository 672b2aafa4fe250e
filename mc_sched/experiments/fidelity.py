"""The simulator held against the real daemons: one scenario, run on both, and how they differ.

The live half starts both agents and the link emulator on this machine. The simulated half has the
same scenario, the tables that the agents have, and what the live run's log tells of the host:
how its times stray from the profile's, how long an image takes to be admitted, and what the round
trip is with the agents' own share in it. Nothing of what was decided or answered is taken over.
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mc_sched.core.task import Mode
from mc_sched.experiments.figures.latencies import draw_latencies
from mc_sched.experiments.findings import Findings, Picture, Table
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
"""Frames that come first and are not counted, on either side."""
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


def findings(tasks: int, crew: WorkerPool) -> Findings:
    """All scenarios, one after the other: each wants the whole machine."""
    pairs: dict[str, dict[str, list[TaskResult]]] = {}
    crew.tell("fidelity", 0, len(SCENARIOS))
    for number, name in enumerate(SCENARIOS, start=1):
        pairs[name] = both(scenario_named(name, tasks))
        crew.tell("fidelity", number, len(SCENARIOS))
    compared = {name: _compared(name, pair) for name, pair in pairs.items()}
    return Findings(
        name="fidelity",
        title="The real daemons and the simulator, the same scenario",
        report={"bundle": BUNDLE, "tasks": tasks, "targets": TARGETS, "scenarios": compared},
        table=_table(compared),
        notes=(
            "wanted: success within 3 points, p50 within 10%, p95 within 20%; "
            "positive where the simulator says more",
        ),
        pictures=[
            Picture(
                "fidelity",
                "Latencies of the real daemons and of the simulator, the same scenario",
                partial(draw_latencies, pairs),
            )
        ],
    )


def scenario_named(name: str, tasks: int) -> Scenario:
    """One of the three, with so many counted tasks."""
    wanted = SCENARIOS[name]
    stream = {"tasks": tasks + LEARNING, "fps": 12, "accuracy": 0.75, **wanted["stream"]}
    edge = {"name": "edge", "mode": Mode.ENERGY, "link": wanted["link"], "stream": stream}
    return Scenario.model_validate({"bundle": {"name": BUNDLE}, "edges": [edge]})


def both(scenario: Scenario) -> dict[str, list[TaskResult]]:
    """Its counted results, live and simulated, in order of submission."""
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
        **{f"{p}_pct": 100 * (there / here - 1) if here else 0.0
           for p, (here, there) in latency.items()},
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
    lines: Table = [("scenario", "figure", "live", "simulated", "difference")]
    for name, found in compared.items():
        live, simulated, by = found["live"], found["simulated"], found["differences"]
        shares = (f"{s['deadline_met']:.1%}" for s in (live, simulated))
        lines.append((name, "success", *shares, f"{by['success_points']:+.1f} points"))
        for p in ("p50", "p95"):
            times = (f"{s['latency_ms'][p]:.1f} ms" for s in (live, simulated))
            lines.append((name, p, *times, f"{by[f'{p}_pct']:+.1f}%"))
        cloud = (f"{s['sites']['cloud'] / s['tasks']:.1%}" for s in (live, simulated))
        lines.append((name, "on the cloud", *cloud, ""))
    return lines
