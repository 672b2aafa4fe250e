"""`validate()` finds invalid states: each fault is planted in a valid machine."""

from dataclasses import replace

import pytest

from mc_sched.core.errors import InvariantBroken, MachineError
from mc_sched.core.events import TimerKind
from mc_sched.core.task import Privacy
from mc_sched.core.transitions import CloudLeg, CloudState, LocalLeg
from tests.core.histories import (
    aborting,
    answered_locally_while_given_up,
    decoding,
    encoding,
    in_batch,
    in_stage,
    queued,
    running_in_the_cloud,
    running_locally,
    uploading,
    waiting,
    waiting_for_the_uplink,
)
from tests.core.round_figures import BOTH_PAYLOADS


def plant(edge, **fields):
    entry = edge.entry("a")
    for name, value in fields.items():
        setattr(entry, name, value)


def two_features():
    edge = encoding()
    fields = {"privacy": Privacy.FEATURES, "payload_bytes": BOTH_PAYLOADS}
    edge.submit(1, "b", 84, **fields)
    edge.encoded(5, "a")
    return edge


def rename(machine):
    machine._tasks["other"] = machine._tasks.pop("a")


def overload(machine):
    machine._most_tasks = 0


EDGE_FAULTS = {
    "two local inferences at once": (
        waiting_for_the_uplink,
        lambda edge: [setattr(edge.entry(n), "local", LocalLeg.RUNNING) for n in "ax"],
    ),
    "more uploads than max_uploads": (
        waiting_for_the_uplink,
        lambda edge: plant(edge, cloud=CloudLeg.UPLOADING),
    ),
    "other is filed under another name": (running_locally, lambda edge: rename(edge.machine)),
    "a is over but was not forgotten": (aborting, lambda edge: plant(edge, local=LocalLeg.CLOSED)),
    "a has its outcome and still a timer": (
        aborting,
        lambda edge: plant(edge, timers={TimerKind.DEADLINE}),
    ),
    "a has its outcome and still a call": (
        answered_locally_while_given_up,
        lambda edge: plant(edge, cloud=CloudLeg.RUNNING),
    ),
    "a runs after its outcome": (aborting, lambda edge: plant(edge, local=LocalLeg.RUNNING)),
    "a is open without a deadline timer": (
        running_in_the_cloud,
        lambda edge: plant(edge, timers={TimerKind.FALLBACK}),
    ),
    "two payloads at once": (
        two_features,
        lambda edge: plant(edge, cloud=CloudLeg.DROPPED, outcome="some"),
    ),
    "a leaves the device against its privacy": (
        encoding,
        lambda edge: plant(edge, task=replace(edge.entry("a").task, privacy=Privacy.EDGE_ONLY)),
    ),
    "a is stranded": (uploading, lambda edge: plant(edge, cloud=CloudLeg.CLOSED)),
}
CLOUD_FAULTS = {
    "a task outside the batch is at work": (
        waiting,
        lambda cloud: plant(cloud, state=CloudState.IN_STAGE),
    ),
    "the batch is at two stages": (in_batch, lambda cloud: plant(cloud, next_stage=3)),
    "the executor's job is not recorded": (
        in_stage,
        lambda cloud: setattr(cloud.machine._schedule, "piece", None),
    ),
    "the plan is not about the open tasks": (
        in_stage,
        lambda cloud: cloud.machine._schedule.order.clear(),
    ),
    "the plan is not in the order of the deadlines": (
        waiting,
        lambda cloud: cloud.machine._schedule.order.reverse(),
    ),
    "a planned task has no work ahead": (waiting, lambda cloud: plant(cloud, path=None)),
    "more tasks than max_tasks": (in_stage, lambda cloud: overload(cloud.machine)),
    "other is filed under another name": (in_stage, lambda cloud: rename(cloud.machine)),
    "a is done and still open": (waiting, lambda cloud: plant(cloud, state=CloudState.DONE)),
    "a ran past its exits": (in_stage, lambda cloud: plant(cloud, next_stage=6)),
    "a task waits before an idle decoder": (
        queued,
        lambda cloud: cloud.machine._state.decoding.current.clear(),
    ),
    "a decoder's task is not in it": (
        decoding,
        lambda cloud: plant(cloud, state=CloudState.QUEUED),
    ),
    "a task that waits for a decoder is not queued": (
        queued,
        lambda cloud: plant(cloud, state=CloudState.DECODING),
    ),
    "a task waits before an idle executor": (
        in_stage,
        lambda cloud: [
            plant(cloud, state=CloudState.WAITING),
            setattr(cloud.machine._schedule, "piece", None),
        ],
    ),
}


@pytest.mark.parametrize("fault", EDGE_FAULTS)
def test_a_planted_fault_of_the_edge_machine_is_found(fault):
    _is_found(fault, *EDGE_FAULTS[fault], "edge")


@pytest.mark.parametrize("fault", CLOUD_FAULTS)
def test_a_planted_fault_of_the_cloud_machine_is_found(fault):
    _is_found(fault, *CLOUD_FAULTS[fault], "cloud")


def _is_found(fault, history, planted, name):
    scripted = history()
    scripted.machine.validate()
    planted(scripted)
    with pytest.raises(InvariantBroken, match=f"^{name} machine: {fault}$"):
        scripted.machine.validate()


def test_a_broken_invariant_is_a_machine_error():
    assert issubclass(InvariantBroken, MachineError)
