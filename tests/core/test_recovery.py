"""No state heals only by samples that never come.

After any load, when everything has been idle for a second, a task that the profile says can be
served is served: by a cloud machine, by an edge machine alone, and by both together.
"""

from __future__ import annotations

from dataclasses import dataclass

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from mc_sched.core import actions as do
from mc_sched.core.cloud.machine import CloudMachine
from mc_sched.core.edge.machine import EdgeMachine
from mc_sched.core.settings import CloudSettings, EdgeSettings
from mc_sched.core.task import Mode, Privacy
from tests.core.loaded import (
    CLOUD,
    IMAGE_BYTES,
    LOCAL,
    MS,
    PRIOR_BPS,
    PRIOR_RTT_NS,
    Conditions,
    LoadedCloud,
    LoadedEdge,
    S,
    Timeline,
    replays,
    succeeded,
)

FOLLOWS_NS = 300 * MS
"""Time between the first task and the second: enough for another trial."""
RESTS_NS = S
"""Time without load after which everything serves again."""
PROBED_EVERY_NS = 200 * MS
MARGIN, MARGIN_NS = 1.5, 10 * MS
"""Factor on profiled times, and time on top, within which a task can be served."""


@dataclass(frozen=True)
class Phase:
    """Some time under load."""

    lasts_ns: int
    per_s: float
    accuracies: tuple[float, ...]
    deadlines_ns: tuple[int, ...]
    conditions: Conditions


@dataclass(frozen=True)
class History:
    """A load, and then its absence."""

    seed: int
    phases: tuple[Phase, ...]


SLOW = st.one_of(st.just(1.0), st.floats(2, 50))
FAULTY = st.one_of(st.just(0.0), st.floats(0, 0.5))
CONDITIONS = st.builds(
    Conditions,
    stages=st.one_of(st.just((1.0,) * 5), SLOW.map(lambda x: (x,) * 5), st.tuples(*(SLOW,) * 5)),
    heads=SLOW,
    decoder=SLOW,
    local=SLOW,
    encoder=SLOW,
    link=st.one_of(st.just(1.0), st.floats(2, 100)),
    lost=FAULTY,
    refused=FAULTY,
    failing=FAULTY,
    unwanted=FAULTY,
)
PHASES = st.builds(
    Phase,
    lasts_ns=st.integers(50 * MS, 4 * S),
    per_s=st.floats(0.5, 60),
    accuracies=st.lists(st.floats(0, 0.99), min_size=1, max_size=4).map(tuple),
    deadlines_ns=st.lists(st.integers(20 * MS, 2 * S), min_size=1, max_size=4).map(tuple),
    conditions=CONDITIONS,
)
HISTORIES = st.builds(
    History, st.integers(0, 2**32), st.lists(PHASES, min_size=1, max_size=3).map(tuple)
)
EXITS = st.sampled_from(CLOUD.exits)
searching = settings(
    max_examples=80, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


def play(time: Timeline, history: History, send) -> None:
    """Let the history's tasks come; `send` takes a number, a deadline and an accuracy."""
    number = 0
    for phase in history.phases:
        time.conditions = phase.conditions
        end_ns = time.now + phase.lasts_ns
        while True:
            next_ns = time.now + int(time.draw.expovariate(phase.per_s) * S)
            time.run_until(min(next_ns, end_ns))
            if time.now == end_ns:
                break
            deadline_ns = time.draw.choice(phase.deadlines_ns)
            send(f"t{number}", deadline_ns, time.draw.choice(phase.accuracies))
            number += 1
    time.conditions = Conditions()


def until_idle(time: Timeline, machine) -> None:
    """The last task of the load ends."""
    deadline_ns = time.now + 60 * S
    while not machine.is_idle:
        assert time.now < deadline_ns, "a task never ends"
        time.run_until(time.now + MS)


# --- the cloud ------------------------------------------------------------------------------


@searching
@given(HISTORIES, EXITS)
def test_an_idle_cloud_serves_what_the_profile_allows(history: History, exit_) -> None:
    """Also a second task soon behind the first one, and the log replays."""
    time = Timeline(history.seed)
    cloud = LoadedCloud(time)
    down_ns = PRIOR_RTT_NS // 2

    def send(task_id: str, deadline_ns: int, accuracy: float) -> None:
        if time.chance(0.3):
            cloud.report_rtt(int(PRIOR_RTT_NS * time.conditions.link))
        cloud.receive(task_id, accuracy, deadline_ns, down_ns)

    play(time, history, send)
    until_idle(time, cloud.machine)
    rested_ns = time.now + RESTS_NS
    while time.now < rested_ns:
        time.run_until(time.now + PROBED_EVERY_NS)
        cloud.report_rtt(PRIOR_RTT_NS)
    alone_ns = CLOUD.codec_named("jpeg").decode_ns + CLOUD.path_ns(exit_)
    budget_ns = int(alone_ns * MARGIN) + MARGIN_NS + down_ns
    for task_id in ("first", "second"):
        cloud.receive(task_id, exit_.accuracy["jpeg"], budget_ns, down_ns)
        time.run_until(time.now + budget_ns - down_ns)
        assert isinstance(cloud.ends.get(task_id), do.Reply), cloud.ends.get(task_id)
        time.run_until(time.now + FOLLOWS_NS)
    assert replays(CloudMachine(CloudSettings(), CLOUD), cloud.log)


# --- the edge -------------------------------------------------------------------------------

POLICIES = st.sampled_from(["mc", "mc-paper"])


def edge_settings(policy: str, mode: Mode) -> EdgeSettings:
    return EdgeSettings(policy=policy, mode=mode, probe_interval_ns=PROBED_EVERY_NS)


@searching
@given(HISTORIES, POLICIES, st.sampled_from(list(Mode)))
def test_an_idle_edge_serves_what_the_profile_allows(history, policy, mode) -> None:
    """Alone, without any cloud."""
    time = Timeline(history.seed)
    edge = LoadedEdge(time, None, edge_settings(policy, mode))
    play(time, history, edge.submit)
    until_idle(time, edge.machine)
    time.run_until(time.now + RESTS_NS)
    deadline_ns = int(LOCAL.total_ns * MARGIN) + MARGIN_NS
    for task_id in ("first", "second"):
        edge.submit(task_id, deadline_ns, LOCAL.accuracy)
        time.run_until(time.now + deadline_ns)
        assert succeeded(edge, task_id), edge.outcomes[task_id]
        time.run_until(time.now + FOLLOWS_NS)
    assert replays(EdgeMachine(edge_settings(policy, mode), LOCAL), edge.log)


# --- both -----------------------------------------------------------------------------------


@searching
@given(HISTORIES, POLICIES, st.sampled_from(list(Mode)), EXITS, st.booleans())
def test_both_idle_serve_what_the_profiles_allow(history, policy, mode, exit_, private) -> None:
    """Only the cloud can serve the task: it is too demanding or too urgent for the local net."""
    time = Timeline(history.seed)
    cloud = LoadedCloud(time)
    edge = LoadedEdge(time, cloud, edge_settings(policy, mode))
    play(time, history, edge.submit)
    until_idle(time, edge)
    until_idle(time, cloud.machine)
    time.run_until(time.now + RESTS_NS)
    codec = CLOUD.codec_named("features" if private and exit_.stage else "jpeg")
    device_ns = LOCAL.encode_ns.get(codec.name, 0)
    cloud_ns = codec.decode_ns + CLOUD.path_ns(exit_, codec.stage)
    up_ns = IMAGE_BYTES[codec.name] * 8e9 / PRIOR_BPS
    all_ns = device_ns + cloud_ns + up_ns + PRIOR_RTT_NS
    deadline_ns = int(all_ns * MARGIN) + MARGIN_NS
    privacy = Privacy.FEATURES if codec.name == "features" else Privacy.ANY
    for task_id in ("first", "second"):
        edge.submit(task_id, deadline_ns, exit_.accuracy[codec.name], privacy=privacy)
        time.run_until(time.now + deadline_ns)
        assert succeeded(edge, task_id), edge.outcomes[task_id]
        time.run_until(time.now + FOLLOWS_NS)
    assert replays(EdgeMachine(edge_settings(policy, mode), LOCAL), edge.log)
