"""The cloud net by stages, in this thread: with bare exit checks, and with the machine deciding.

No queue, no second thread and no log: what these add is measured by `mc-sched bench overhead`.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from mc_models.bundle.load import Bundle
from mc_models.inference.predict import top5, top5_and_entropy
from mc_models.inference.prepare import PreparedCloud
from mc_models.inference.profile import Profile
from torch import Tensor

from mc_sched.bundles.tables import cloud_table
from mc_sched.core import actions as do
from mc_sched.core import events as ev
from mc_sched.core.cloud.machine import CloudMachine
from mc_sched.core.settings import CloudSettings
from mc_sched.core.tables import CloudTable
from mc_sched.core.task import ExitRule, Prediction

BUDGET_NS = 10_000_000_000
Answer = tuple[tuple[int, float], ...]


class CheckedStages:
    """Behind each stage a look at give-up, and at the clock against the next exit's profile."""

    def __init__(self, bundle: Bundle, net: PreparedCloud, profile: Profile) -> None:
        later = zip(profile.stage_ns[1:], [*profile.head_ns.values()][1:], strict=True)
        # from behind each stage to the next exit's answer; behind the last there is none
        to_next_ns = [stage_ns + head_ns for stage_ns, head_ns in later]
        rows = zip(net.stages, bundle.exits, [*to_next_ns, BUDGET_NS], strict=True)
        self._path = [(stage, net.heads[e.name], e.temperature, ns) for stage, e, ns in rows]
        self._given_up = threading.Event()

    def run(self, x: Tensor) -> Answer:
        """The answer at the last exit that the budget allows, for an input [1, 3, px, px]."""
        due_ns = time.monotonic_ns() + BUDGET_NS
        for stage, head, temperature, to_next_ns in self._path:
            x = stage(x)
            if self._given_up.is_set():
                break
            if time.monotonic_ns() + to_next_ns > due_ns:
                return top5(head(x), temperature)
        raise RuntimeError("nobody gives up here")


class ScheduledStages:
    """The cloud machine at work on one task, with every action done at once."""

    def __init__(self, bundle: Bundle, net: PreparedCloud, profile: Profile) -> None:
        self._net = net
        self._temperatures = {row.name: row.temperature for row in bundle.exits}
        self._machine = CloudMachine(CloudSettings(), _rising(cloud_table(bundle, profile)))
        self._last = bundle.exits[-1].name
        self._number = 0

    def run(self, x: Tensor) -> Answer:
        """The answer of the last exit for an input [1, 3, px, px], with a decision at each exit."""
        self._number += 1
        task_id = str(self._number)
        event: ev.CloudEvent = ev.Received(
            time.monotonic_ns(), task_id, "bench", 0.0, BUDGET_NS, 0, exit_rule=ExitRule.PURSUE
        )
        while True:
            action = self._machine.handle(event)[-1]
            started_ns = time.monotonic_ns()
            if isinstance(action, do.Decode):
                event = ev.Decoded(started_ns, task_id, 0)
            elif isinstance(action, do.RunStage):
                x = self._net.stages[action.stage](x)
                now_ns = time.monotonic_ns()
                event = ev.StageDone(now_ns, (task_id,), action.stage, now_ns - started_ns)
            elif isinstance(action, do.RunHead):
                logits = self._net.heads[action.exit](x)
                said = Prediction(*top5_and_entropy(logits, self._temperatures[action.exit]))
                now_ns = time.monotonic_ns()
                event = ev.HeadDone(now_ns, task_id, action.exit, said, now_ns - started_ns)
            elif isinstance(action, do.Reply) and action.exit == self._last:
                return action.prediction.top
            else:
                raise RuntimeError(f"the task did not reach the last exit: {action}")


def _rising(table: CloudTable) -> CloudTable:
    """The table with each exit better than the one before, so that each is a decision."""
    exits = (replace(e, accuracy={"jpeg": float(n)}) for n, e in enumerate(table.exits))
    return replace(table, exits=tuple(exits))
